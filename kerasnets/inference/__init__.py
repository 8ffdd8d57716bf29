"""A trained network in use: predictions, explanations, files for other programs."""
