"""Does a pretrained body help, and does unfreezing it? ResNet-34, several seeds of each."""
