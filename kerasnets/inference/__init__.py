"""Use of a trained network: predictions, explanations, exports."""
