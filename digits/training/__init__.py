"""Training one network so that it repeats bit for bit."""
