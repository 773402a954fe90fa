# Crop and flip, label smoothing, CutMix: each alone and together, so that every point of gain has an owner.
ARMS  := baseline cutmix no_augmentation label_smoothing cutmix_only
SEEDS := 42
