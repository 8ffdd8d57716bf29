"""The report of a study or a folder of runs, as one self-contained HTML page."""
