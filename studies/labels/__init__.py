"""Which labels of MNIST are doubtful, and what error can nobody avoid?"""
