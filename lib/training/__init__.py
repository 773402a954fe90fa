"""One run: the loop, its checkpoints, the machine it runs on, what it leaves (`record`), what its
network predicts (`inference`), runs that were trained elsewhere (`released`), and predictions that
somebody brings (`brought_predictions`). A network that is named in place of ours (`network`,
`weights`, `surroundings`) is examined (`questions`, `examination`) and taken in (`intake`).
"""
