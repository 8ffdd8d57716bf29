"""scikit-learn's 1,797 handwritten digits: real data that needs no network."""

from functools import lru_cache

import numpy as np
from PIL import Image

from kerasnets.datasets.dataset import Dataset, Split, fingerprint, statistics
from kerasnets.datasets.images import as_array, empty_images

TEST_IMAGES = 360


@lru_cache(maxsize=4)
def load_digits(
    image_size: int, channels: int | None, resize: str = "squash"
) -> Dataset:
    """1,437 training and 360 test images, stratified, identical on every machine."""
    from sklearn.datasets import load_digits as load
    from sklearn.model_selection import train_test_split

    data = load()
    # From 0 ... 16, the count of dark pixels in a 4x4 square, to 0 ... 255.
    grey = np.round(data.images * (255 / 16)).astype(np.uint8)
    images = empty_images(len(grey), image_size, channels or 1)
    for row, image in enumerate(grey):
        images[row] = as_array(
            Image.fromarray(image), image_size, channels or 1, resize=resize
        )
    train, test = train_test_split(
        np.arange(len(images)),
        test_size=TEST_IMAGES,
        stratify=data.target,
        random_state=0,
    )
    train, test = (
        Split(images[np.sort(rows)], data.target[np.sort(rows)].astype(np.int64))
        for rows in (train, test)
    )
    names = tuple(str(name) for name in data.target_names)
    mean, std = statistics(train.images)
    return Dataset(
        "digits", train, test, names, mean, std, fingerprint(names, train, test), ""
    )
