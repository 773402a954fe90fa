"""The widgets of notebooks/explore.ipynb, over a finished study."""
