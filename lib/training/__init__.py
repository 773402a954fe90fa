"""One run: the loop, its checkpoints, the machine it runs on, what it leaves (`record`), what its
network predicts (`inference`), and runs that were trained elsewhere (`released`). A network that is
named in place of ours (`network`, `weights`, `surroundings`) is examined (`questions`,
`examination`) and taken in as a run (`intake`).
"""
