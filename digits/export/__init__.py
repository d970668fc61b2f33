"""A trained network for other programs, and how it looks."""
