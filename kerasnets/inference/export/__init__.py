"""Files of a trained network for other programs, with its preprocessing inside."""
