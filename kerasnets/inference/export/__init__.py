"""Export of trained networks, with their preprocessing, to files for other programs."""
