"""One run: the loop, its checkpoints, the machine it runs on, what it leaves (`record`), and runs
that were trained elsewhere (`released`).
"""
