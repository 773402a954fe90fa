# The notebooks' own defaults; an arm file says only what the arm changes.
ARMS  := baseline cutmix
SEEDS := 0
