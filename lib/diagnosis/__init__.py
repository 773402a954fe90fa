"""Why errors happen: pictures are changed and asked about again (`interventions`, `probes`), the
answers are kept (`evidence`). Known causes are planted (`spikes`), planted and real errors are read
alike (`readings`), a rule is fitted and scored (`rule`, `confusion`), what it confuses is corrected
for (`mixture`), and a network is judged (`judgement`); on a phantom the check is checked (`score`).
`label_doubt` asks the other runs. Maps are tested here as well (`faithfulness`, `randomisation`).
`stage` is what the third notebook makes of all this.
"""
