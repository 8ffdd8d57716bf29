"""A study, or a folder of runs, as one HTML page that needs nothing else."""
