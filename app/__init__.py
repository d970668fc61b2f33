"""The draw-a-digit app: a server, its page, and the classifier both stand on."""
