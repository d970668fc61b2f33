"""From the raw files to standardized images and their sets."""
