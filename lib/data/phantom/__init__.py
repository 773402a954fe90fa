"""A data set that is drawn, with planted causes of error: `draw` makes its splits, `paint` one
scene, `shapes` its shapes, textures and random numbers.
"""
