"""An executed notebook as one HTML file and one PDF: `python -m lib.export`."""
