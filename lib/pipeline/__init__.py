"""What make calls: run a notebook, check a study before anything runs, train many runs, here or on
a cluster, list the reports.
"""
