"""Explanations: the pixels on which a prediction is based."""
