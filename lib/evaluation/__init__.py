"""What predictions say: `calibration`; `selective` (one ranking of errors) and `rejection` (that
over all arms and seeds); `paired` and `changes` (two arms, one or several seeds), `significance`,
`bootstrap`; `scope` (what of all this may be said, and of what: every sentence asks it);
`failures`, `labels`, `duplicates`, `severity`; `ablation`; `corruptions` and `robustness`, which
ask the networks once more; `candidates` (another arm in place of the one before); `metrics` (what
readers expect beside); `per_image` and `summary` (numbers that all of them share); `degenerate`,
what rows cannot tell."""
