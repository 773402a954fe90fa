ARMS  := baseline cutmix
SEEDS := 42
