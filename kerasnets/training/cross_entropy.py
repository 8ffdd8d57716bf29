"""Cross-entropy of logits and integer labels: what is reported, and what label
smoothing makes of it for training."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("kerasnets")
class CrossEntropy(keras.metrics.Mean):
    """Mean cross-entropy in nats an image, as `evaluate` reports it.

    Images of weight 0 are not counted; other weights make no difference.
    """

    def __init__(self, name: str = "cross_entropy", dtype="float32") -> None:
        super().__init__(name=name, dtype=dtype)
        self._direction = "down"

    def update_state(self, y_true, y_pred, sample_weight=None) -> None:
        labels = ops.reshape(y_true, (-1,))
        losses = keras.losses.sparse_categorical_crossentropy(
            labels, ops.cast(y_pred, self.dtype), from_logits=True
        )
        if sample_weight is not None:
            counted = ops.cast(ops.greater(sample_weight, 0), self.dtype)
            sample_weight = ops.reshape(counted, (-1,))
        super().update_state(losses, sample_weight=sample_weight)


@keras.saving.register_keras_serializable("kerasnets")
class SmoothedCrossEntropy(keras.losses.Loss):
    """Cross-entropy against labels of which a share is spread over all classes.

    Args:
        num_classes: how many logits there are.
        label_smoothing: the share, in [0, 1).
    """

    def __init__(self, num_classes: int, label_smoothing: float, **named) -> None:
        super().__init__(**named)
        self.num_classes = num_classes
        self.label_smoothing = label_smoothing

    def call(self, y_true, y_pred):
        labels = ops.cast(ops.reshape(y_true, (-1,)), "int32")
        return keras.losses.categorical_crossentropy(
            ops.one_hot(labels, self.num_classes),
            y_pred,
            from_logits=True,
            label_smoothing=self.label_smoothing,
        )

    def get_config(self) -> dict[str, object]:
        own = {
            "num_classes": self.num_classes,
            "label_smoothing": self.label_smoothing,
        }
        return {**super().get_config(), **own}
