"""Numbers about a trained run: what it predicts, and how often it is right."""
