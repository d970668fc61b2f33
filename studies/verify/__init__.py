"""What a computer must come close to if it reproduces the project."""
