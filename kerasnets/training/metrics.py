"""Cross-entropy from logits and labels: as reported, and with label smoothing and
class weights as training minimizes it.

Labels are class indices, integers [B] or [B, 1], or class shares [B, classes] if MixUp
or CutMix has mixed the images.
"""

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable("kerasnets")
class CrossEntropy(keras.metrics.Mean):
    """Mean cross-entropy in nats per image, as `evaluate` reports it.

    Images of weight 0 are not counted; other weights make no difference.
    """

    def __init__(self, name: str = "cross_entropy", dtype="float32") -> None:
        super().__init__(name=name, dtype=dtype)
        self._direction = "down"

    def update_state(self, y_true, y_pred, sample_weight=None) -> None:
        logits = ops.cast(y_pred, self.dtype)
        if _are_shares(y_true, y_pred):
            losses = keras.losses.categorical_crossentropy(
                y_true, logits, from_logits=True
            )
        else:
            losses = keras.losses.sparse_categorical_crossentropy(
                ops.reshape(y_true, (-1,)), logits, from_logits=True
            )
        if sample_weight is not None:
            counted = ops.cast(ops.greater(sample_weight, 0), self.dtype)
            sample_weight = ops.reshape(counted, (-1,))
        super().update_state(losses, sample_weight=sample_weight)


def balanced_weights(labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Weight of an image of each class, such that all classes present have the same
    total weight and the mean over the images is 1; 0 for a class without images.

    Args:
        labels: of the training images, int64 [N].

    Returns:
        float64 [classes].
    """
    counts = np.bincount(labels, minlength=num_classes)
    present = np.count_nonzero(counts)
    return np.where(counts, len(labels) / (present * np.maximum(counts, 1)), 0.0)


@keras.saving.register_keras_serializable("kerasnets")
class SmoothedCrossEntropy(keras.losses.Loss):
    """Cross-entropy with label smoothing and class weights.

    Each label's term of a mixed image has its own weight, as in
    torch.nn.CrossEntropyLoss. Label smoothing applies to each term before its weight.

    Args:
        num_classes: number of logits.
        label_smoothing: share of the label spread evenly over all classes, in [0, 1).
        class_weights: weight of an image of each class; empty for 1.
    """

    def __init__(
        self,
        num_classes: int,
        label_smoothing: float,
        class_weights: Sequence[float] = (),
        **named,
    ) -> None:
        super().__init__(**named)
        self.num_classes = num_classes
        self.label_smoothing = label_smoothing
        self.class_weights = [float(weight) for weight in class_weights]
        # On the device: a step captured as a CUDA graph cannot copy from the host.
        self._weights = self.class_weights and keras.Variable(
            np.array(self.class_weights, "float32"), trainable=False
        )

    def call(self, y_true, y_pred):
        shares = y_true
        if not _are_shares(y_true, y_pred):
            labels = ops.cast(ops.reshape(y_true, (-1,)), "int32")
            shares = ops.one_hot(labels, self.num_classes)
        weights = None
        if self.class_weights:
            shares = ops.cast(shares, "float32") * self._weights
            weights = ops.sum(shares, axis=-1, keepdims=True)
            # Shares again: some backends' gradients require the sum 1.
            shares = ops.divide_no_nan(shares, weights)
        losses = keras.losses.categorical_crossentropy(
            shares,
            y_pred,
            from_logits=True,
            label_smoothing=self.label_smoothing,
        )
        if weights is None:
            return losses
        return losses * ops.cast(weights[..., 0], losses.dtype)

    def get_config(self) -> dict[str, object]:
        own = {
            "num_classes": self.num_classes,
            "label_smoothing": self.label_smoothing,
            "class_weights": self.class_weights,
        }
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable("kerasnets")
class ConfusionAccuracy(keras.metrics.Metric):
    """Share of images whose highest logit is their label, in [0, 1]; the label of a
    mixed image is the class with the largest share.

    The state is the matrix of counts [classes, classes] (row: label, column:
    prediction) since the last reset, so that callbacks read confusion and collapse
    without a second pass over the images. Counts are exact up to 2^24 a cell. Images of
    weight 0 are not counted; other weights make no difference.
    """

    def __init__(self, num_classes: int, name: str = "accuracy") -> None:
        super().__init__(name=name, dtype="float32")
        self._direction = "up"  # for callbacks that monitor it
        self.num_classes = num_classes
        self.matrix = self.add_weight(
            shape=(num_classes, num_classes), initializer="zeros", name="matrix"
        )

    def update_state(self, y_true, y_pred, sample_weight=None) -> None:
        if _are_shares(y_true, y_pred):
            y_true = ops.argmax(y_true, axis=-1)
        labels = ops.one_hot(
            ops.cast(ops.reshape(y_true, (-1,)), "int32"), self.num_classes
        )
        if sample_weight is not None:
            counted = ops.cast(ops.greater(sample_weight, 0), "float32")
            labels = labels * ops.reshape(counted, (-1, 1))
        predictions = ops.one_hot(ops.argmax(y_pred, axis=-1), self.num_classes)
        self.matrix.assign_add(ops.matmul(ops.transpose(labels), predictions))

    def result(self):
        total = ops.sum(self.matrix)
        return ops.divide_no_nan(ops.trace(self.matrix), total)

    def counts(self) -> np.ndarray:
        """The matrix as int64 [classes, classes]."""
        return np.rint(ops.convert_to_numpy(self.matrix)).astype(np.int64)

    def get_config(self) -> dict[str, object]:
        return {"num_classes": self.num_classes, "name": self.name}


def _are_shares(y_true, y_pred) -> bool:
    return len(y_true.shape) == 2 and 1 < y_true.shape[1] == y_pred.shape[-1]


def confusion_metric(model: keras.Model) -> ConfusionAccuracy:
    """The model's compiled `ConfusionAccuracy`."""
    metrics = [model.metrics]
    while metrics:
        for metric in metrics.pop():
            if isinstance(metric, ConfusionAccuracy):
                return metric
            metrics.append(getattr(metric, "metrics", []))
    raise ValueError("the model was not compiled by kerasnets.training.compile")
