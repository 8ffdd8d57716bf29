"""Metrics of binary classifiers over all thresholds.

The positive class is the second one, as in scikit-learn.
"""

from dataclasses import dataclass

import numpy as np

from kerasnets.runs.results import Threshold

_THRESHOLDS = np.arange(5, 100, 5) / 100


@dataclass(frozen=True)
class TwoClasses:
    """Metrics that do not depend on a single threshold.

    Attributes:
        roc_auc: probability that a positive image has a higher score than a negative
            one, ties counted half; None unless both classes have images.
        average_precision: sum of precisions weighted by the increase of recall, as in
            scikit-learn; None if there are no positive images.
        thresholds: metrics by threshold of the positive class's probability, ascending.
    """

    roc_auc: float | None
    average_precision: float | None
    thresholds: tuple[Threshold, ...]


def measure_two(logits: np.ndarray, labels: np.ndarray) -> TwoClasses:
    """Metrics of logits [images, 2] and labels [images], for at least one image."""
    # Imported here, as in `kerasnets.evaluation.metrics.measure`.
    from scipy import special
    from sklearn.metrics import average_precision_score, roc_auc_score

    # Not the probability, which rounds to 1 for logits far apart.
    score = logits[:, 1].astype(np.float64) - logits[:, 0]
    positive = labels == 1
    return TwoClasses(
        float(roc_auc_score(positive, score)) if 0 < positive.mean() < 1 else None,
        # Rounding may carry the sum beyond 1.
        min(1.0, average_precision_score(positive, score)) if positive.any() else None,
        tuple(_at(value, special.expit(score), positive) for value in _THRESHOLDS),
    )


def _at(threshold: float, probability: np.ndarray, positive: np.ndarray) -> Threshold:
    called = probability >= threshold
    hits = int((called & positive).sum())
    alarms = int((called & ~positive).sum())
    misses = int(positive.sum()) - hits
    rejected = int((~positive).sum()) - alarms
    return Threshold(
        float(threshold),
        precision=_share(hits, alarms),
        recall=_share(hits, misses),
        specificity=_share(rejected, alarms),
        f1=_share(2 * hits, alarms + misses),
        predicted=hits + alarms,
    )


def _share(part: int, rest: int) -> float:
    """The share of `part`, in [0, 1]; 0 if there is nothing."""
    return part / (part + rest) if part else 0.0
