"""What stored predictions say, without a network: calibration, selective prediction, paired
comparison, bootstrap, failures, labels, severity, ablation. `robustness` alone asks the networks
again, about corrupted images.
"""
