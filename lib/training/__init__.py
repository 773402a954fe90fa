"""One run: the loop, its checkpoints, the machine it runs on, what it leaves (`record`), what its
network predicts (`inference`), runs that were trained elsewhere (`released`), and predictions that
were brought (`brought`).
"""
