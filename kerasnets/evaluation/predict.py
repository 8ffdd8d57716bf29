"""Logits of a network over batches, and what they say as probabilities."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import keras


def predict_logits(
    model: "keras.Model", batches: "keras.utils.PyDataset"
) -> np.ndarray:
    """The network's logits, float32 [images, classes], in the order of `batches`.

    Args:
        model: gives logits, as every network of kerasnets does.
        batches: pairs of images and labels; the labels are not looked at.
    """
    return np.asarray(model.predict(batches, verbose=0), dtype=np.float32)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities, float64 [images, classes], of finite logits of any size."""
    return np.exp(log_softmax(logits))


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Logarithms (natural) of `softmax`, float64 [images, classes], all finite."""
    # Shifted so that the highest is 0: no exponential overflows.
    shifted = logits.astype(np.float64)
    shifted -= shifted.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
