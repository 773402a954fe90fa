"""Images, labels and what is known of them: CIFAR-100, the phantom, a user's own pictures, label
reviews, augmentation; `load` reads any of them. And predictions that somebody brings:
`predictions_file` reads them, `scores` says what their numbers are, `matching` brings arms
together.
"""

from lib.data.cifar import DataError
from lib.data.dataset import Split, Splits, load, load_for

__all__ = ["DataError", "Split", "Splits", "load", "load_for"]
