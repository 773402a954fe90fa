"""A stress test for image classifiers. Where to look first: model, cutmix and gradcam, the network,
the remedy and the map. The rooms import one way, in this order: base (files, parameters, signals),
data (CIFAR-100, the phantom, own images), model, cutmix and gradcam, training (the loop and what a
finished run is), evaluation (what stored predictions say), diagnosis (why errors happen), report
(figures, captions and sentences), export (HTML and PDF) and explorer (widgets), pipeline (what make
calls).
"""
