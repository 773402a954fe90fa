"""A stress test for image classifiers. Open first: `model` (the network), `cutmix` (the remedy) and
`gradcam` (the map). The packages are called rooms, and import one way, in this order: base (files,
parameters, signals), data (CIFAR-100, the phantom, own images), these three, training (the loop and
what a finished run is), evaluation (what predictions say), diagnosis (why errors happen), report
(figures, captions and sentences), export (HTML and PDF) and explorer (widgets), pipeline (what make
calls)."""

import sys

# jsonschema's check of web addresses: a second to load, and no notebook asks for it
sys.modules.setdefault("rfc3987_syntax", None)
