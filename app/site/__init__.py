"""The draw-a-digit page as a static site that reads digits in the browser, with no server."""
