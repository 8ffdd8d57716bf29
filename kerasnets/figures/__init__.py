"""Figures; the only package that imports matplotlib.

The functions are imported on first use:

    draw_training(run)                           every figure of a training
    draw_evaluation(run, split)                  every figure of an evaluation
    draw_curves(run)                             loss and accuracy by epoch
    draw_benchmark(reports, path)                speeds side by side
    draw_confusion(counts, class_names, ...)     a confusion matrix
    draw_diagnosis(recipe, steps, layers, path)  signals and gradients by depth
    draw_validation_confusion(run, class_names)  confusion of the last recorded epoch
    draw_confusion_change(change, ...)           change of confusion between two runs
    draw_disagreements(first, second, ...)       images that only one run has right
    draw_examples(run, split)                    images with predictions
    draw_overlay(comparison, path)               loss and accuracy of several runs
    draw_pareto(comparison, path)                accuracy against cost
"""

from importlib import import_module
from typing import Any

_PUBLIC = {
    "draw_benchmark": "kerasnets.figures.benchmark",
    "draw_confusion": "kerasnets.figures.confusion",
    "draw_confusion_change": "kerasnets.figures.difference",
    "draw_curves": "kerasnets.figures.curves",
    "draw_disagreements": "kerasnets.figures.difference",
    "draw_diagnosis": "kerasnets.figures.diagnosis",
    "draw_evaluation": "kerasnets.figures.evaluation",
    "draw_examples": "kerasnets.figures.examples",
    "draw_overlay": "kerasnets.figures.comparison",
    "draw_pareto": "kerasnets.figures.pareto",
    "draw_training": "kerasnets.figures.training",
    "draw_validation_confusion": "kerasnets.figures.confusion",
}

__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'kerasnets.figures' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)
