"""Loss, accuracies and per-class metrics from logits and labels."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kerasnets.evaluation.two_classes import TwoClasses, measure_two

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Metrics:
    """Metrics of a set of predictions; shares are in [0, 1].

    The prediction is the class with the highest logit, the first in a tie.

    Attributes:
        loss: mean cross-entropy in nats, without label smoothing.
        accuracy: share of images whose prediction is their label.
        top5_accuracy: share of images whose label is among the five highest logits;
            None for five classes or fewer.
        confusion: counts, int64 [classes, classes], row: label, column: prediction.
        precision, recall, f1: per class, float64 [classes]; 0 if a class was never
            predicted or has no images.
        support: images per class, int64 [classes].
        two: additional metrics for two classes, else None.
    """

    loss: float
    accuracy: float
    top5_accuracy: float | None
    confusion: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    support: np.ndarray
    two: TwoClasses | None = None

    @property
    def balanced_accuracy(self) -> float:
        """Mean recall of the classes that have images: the accuracy if all of them had
        the same number of images."""
        return float(self.recall[self.support > 0].mean())

    def macro(self, values: np.ndarray) -> float:
        """Mean of a metric over the classes that have images or were predicted, as in
        scikit-learn.

        Args:
            values: of each class: `precision`, `recall` or `f1`.
        """
        return float(values[(self.support > 0) | (self.predicted > 0)].mean())

    @property
    def predicted(self) -> np.ndarray:
        """How often each class was predicted, int64 [classes]."""
        return self.confusion.sum(axis=0)


def measure(logits: np.ndarray, labels: np.ndarray) -> Metrics:
    """Metrics of logits [images, classes] and labels [images], for at least one
    image."""
    # Imported here: slow, and not needed for predictions.
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    classes = np.arange(logits.shape[1])
    predictions = logits.argmax(axis=1)
    precision, recall, f1, support = precision_recall_fscore_support(
        labels, predictions, labels=classes, zero_division=0
    )
    return Metrics(
        loss=cross_entropy(logits, labels),
        accuracy=float((predictions == labels).mean()),
        top5_accuracy=top_k_accuracy(logits, labels, 5) if len(classes) > 5 else None,
        confusion=confusion_matrix(labels, predictions, labels=classes),
        precision=precision,
        recall=recall,
        f1=f1,
        # scikit-learn returns floats if no prediction is correct.
        support=support.astype(np.int64),
        two=measure_two(logits, labels) if len(classes) == 2 else None,
    )


def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> float:
    """Mean of -log p(label) in nats."""
    return float(-log_softmax(logits)[np.arange(len(labels)), labels].mean())


def top_k_accuracy(logits: np.ndarray, labels: np.ndarray, k: int) -> float:
    """Share of images, in [0, 1], whose label is among the `k` highest logits.

    In a tie the first class ranks higher, as for the prediction. (With scikit-learn's
    top_k_accuracy_score the last one does, so that ties could make the top-5 accuracy
    lower than the accuracy.)
    """
    highest = np.argsort(-logits, axis=1, kind="stable")[:, :k]
    return float((highest == labels[:, None]).any(axis=1).mean())


def predict_logits(
    model: "keras.Model", batches: "keras.utils.PyDataset"
) -> np.ndarray:
    """The network's logits, float32 [images, classes], in the order of `batches`.

    Args:
        model: outputs logits, as every network of kerasnets does.
        batches: pairs of images and labels; the labels are ignored.
    """
    return np.asarray(model.predict(batches, verbose=0), dtype=np.float32)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities, float64 [images, classes], of finite logits of any magnitude."""
    return np.exp(log_softmax(logits))


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Natural logarithm of `softmax`, float64 [images, classes], always finite."""
    from scipy import special  # slow to import

    return special.log_softmax(logits.astype(np.float64), axis=1)
