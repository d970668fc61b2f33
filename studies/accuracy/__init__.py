"""How accurate, and how fast to a good accuracy, on MNIST's own split."""
