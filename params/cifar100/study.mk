# The original study at full size, with the ablation and three seeds: fifteen runs for a GPU.
ARMS  := baseline cutmix no_augmentation label_smoothing cutmix_only
SEEDS := 42 43 44
