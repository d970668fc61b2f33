"""Which of MNIST's labels are doubtful, and what error can nobody avoid?"""
