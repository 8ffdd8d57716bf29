"""Whether a network has collapsed: one class takes nearly all of its predictions.

The paper's original VGG-19 reaches 11.35 % on MNIST because it calls every digit a
"1"; an accuracy alone does not tell that from a network that has learned a little.
"""

import numpy as np
from numpy.typing import ArrayLike

COLLAPSE_SHARE = 0.99


def collapsed_class(counts: ArrayLike) -> tuple[int, float] | None:
    """The class that takes more than `COLLAPSE_SHARE` of all predictions.

    Args:
        counts: how often each class was predicted, shape [classes], >= 0.

    Returns:
        The class's index and its share in (0.99, 1], or None where no class takes
        that many or there are no predictions.
    """
    predictions = np.asarray(counts)
    total = predictions.sum()
    if not total:
        return None
    index = int(predictions.argmax())
    share = float(predictions[index] / total)
    return (index, share) if share > COLLAPSE_SHARE else None
