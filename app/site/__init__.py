"""The draw-a-digit page as a static site that classifies digits in the browser, with no server."""
