"""Why errors happen: pictures are changed and asked about again (`interventions`, `probes`), a rule
reads the answers (`verdict`), and the reading is scored (`score`). Maps are tested here as well.
"""
