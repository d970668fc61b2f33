"""Does a pretrained backbone help, and does unfreezing it?"""
