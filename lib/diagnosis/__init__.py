"""Why errors happen: pictures are changed and asked about again (`interventions`, `probes`), the
answers are summed up (`evidence`), a rule reads them (`verdict`), and the reading is scored
(`score`). Maps are tested here as well (`faithfulness`, `randomisation`). `stage` is what the third
notebook makes of all this.
"""
