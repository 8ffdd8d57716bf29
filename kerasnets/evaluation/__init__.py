"""Measure a trained run: its predictions and its accuracy."""
