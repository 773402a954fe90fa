"""Files that appear whole or not at all, checked parameters, signals, counter-based randomness,
words: what every room leans on. Nothing here knows torch.
"""
