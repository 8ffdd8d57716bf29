"""Datasets by name, as arrays of uniform image size.

The other names are imported on first use, so that importing this package does not load
NumPy.
"""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasnets.catalog.places import is_place, located
from kerasnets.errors import DatasetError, RecipeError, option
from kerasnets.storage.folders import user_cache

if TYPE_CHECKING:
    from kerasnets.datasets.dataset import Dataset, Split, Subset
    from kerasnets.datasets.splits import Partition, partition
    from kerasnets.recipe import Recipe

__all__ = [
    "Dataset",
    "Partition",
    "Split",
    "Subset",
    "load",
    "load_for",
    "partition",
    "streams",
]

_MODULES = {
    "Dataset": "kerasnets.datasets.dataset",
    "Partition": "kerasnets.datasets.splits",
    "Split": "kerasnets.datasets.dataset",
    "Subset": "kerasnets.datasets.dataset",
    "partition": "kerasnets.datasets.splits",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'kerasnets.datasets' has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)


def load_for(
    recipe: "Recipe",
    data_dir: Path | str | None = None,
    *,
    stream: bool | None = None,
) -> "Dataset":
    """Load a recipe's dataset as training and evaluation use it.

    Args:
        data_dir: folder of prepared datasets, TFDS_DATA_DIR unless given; for own
            images, their current location.
        stream: see `load`.

    Raises:
        DatasetError: as `load`; or the dataset lacks a class of the recipe.
        InstallationError: as `load`.
        RecipeError: as `streams`.
    """
    dataset = load(
        recipe.dataset,
        image_size=recipe.image_size,
        channels=recipe.channels,
        data_dir=data_dir,
        test_fraction=recipe.test_fraction,
        seed=recipe.seed,
        resize=recipe.resize,
        background=recipe.background,
        on_corrupt=recipe.on_corrupt,
        stream=streams(recipe.dataset, stream, recipe.crop_from),
        decode=recipe.decode,
    )
    if recipe.classes is None:
        return dataset
    from kerasnets.datasets.splits import of_classes
    from kerasnets.recipe.checks import class_names

    return of_classes(dataset, class_names(recipe.classes))


def streams(
    dataset: str, stream: bool | None, crop_from: str = "square"
) -> bool | None:
    """Whether a recipe's images are decoded on demand: as in `stream`, but crops from
    files always are. None leaves it to `load`.

    Raises:
        RecipeError: the dataset is not your own images.
        DatasetError: crops from files are requested without streaming.
    """
    if stream and not is_place(dataset):
        raise RecipeError(
            f"{option('stream', True)} is only for your own images; "
            f"{dataset} is not a folder or manifest."
        )
    if crop_from != "file":
        return stream
    if stream is False:
        raise DatasetError(
            f"{option('crop_from', 'file')} decodes images on demand, which "
            f"contradicts {option('stream', False)}."
        )
    return True


def load(
    name: str,
    *,
    image_size: int = 32,
    channels: int | None = None,
    data_dir: Path | str | None = None,
    test_fraction: float | None = None,
    seed: int = 0,
    resize: str = "squash",
    background: str | None = None,
    on_corrupt: str = "stop",
    stream: bool | None = None,
    decode: str = "full",
) -> "Dataset":
    """Load a dataset, resized. Images are decoded once into a cache that is mapped into
    memory; if there is no room for it, they are decoded on demand.

    The five datasets that TFDS must download are prepared first if necessary.

    Args:
        name: "digits", the name of a TFDS image-classification dataset, or the absolute
            path of a folder or a manifest of images.
        image_size: height and width in pixels.
        channels: 1 or 3; None for the dataset's own.
        data_dir: folder of prepared datasets, TFDS_DATA_DIR unless given; for images at
            a path, their current location.
        test_fraction: share of the training images, in (0, 1), to test on if there is
            no labelled test split; 0.1 unless given, 0.2 for images at a path.
        seed: determines the images drawn for that.
        resize, background: see `kerasnets.datasets.images.as_array`.
        on_corrupt: "skip" omits images at a path that cannot be read.
        stream: whether images at a path are decoded on demand. None decides: yes if
            they were streamed before and no decoded cache exists, or if decoded images
            would fit neither in memory nor on disk.
        decode: how JPEG files at a path are decoded, one of `recipe.fields.DECODES`.

    Raises:
        DatasetError: the dataset is unknown, damaged, or cannot be prepared; or an
            argument is out of range.
        InstallationError: a package needed to read it cannot be imported.
    """
    if image_size < 1:
        raise DatasetError(f"image_size must be at least 1, not {image_size}.")
    if channels not in (None, 1, 3):
        raise DatasetError(f"channels must be 1 or 3, not {channels}.")
    if test_fraction is not None and not 0 < test_fraction < 1:
        raise DatasetError(
            f"test_fraction must be between 0 and 1, not {test_fraction}."
        )
    try:
        stream = streams(name, stream)
    except RecipeError as error:
        raise DatasetError(str(error)) from None
    if is_place(name):
        dataset = _load_files(
            located(name, data_dir),
            image_size,
            channels,
            resize,
            background,
            on_corrupt,
            decode,
            stream,
        )
    else:
        dataset = _load(name, image_size, channels, data_dir, resize, background)
    if not len(dataset.test):
        from kerasnets.datasets.splits import OWN_TEST_FRACTION, draw_test

        if test_fraction is None and is_place(name):
            test_fraction = OWN_TEST_FRACTION
        return draw_test(dataset, test_fraction, seed)
    if test_fraction is not None:
        raise DatasetError(
            f"{dataset.name} has a test split of its own; a test fraction is for "
            "datasets without."
        )
    return dataset


def _load_files(
    place: Path,
    image_size: int,
    channels: int | None,
    resize: str,
    background: str | None,
    on_corrupt: str,
    decode: str,
    stream: bool | None,
) -> "Dataset":
    from kerasnets.catalog import image_headers
    from kerasnets.catalog.image_files import list_images
    from kerasnets.datasets import cache
    from kerasnets.datasets.images import memory
    from kerasnets.datasets.sources import image_files
    from kerasnets.datasets.streamed_images import Form

    files = list_images(place)
    form = Form(
        image_size,
        channels or image_headers.channels(files.paths),
        resize,
        background,
        on_corrupt,
        decode,
    )
    own = user_cache()  # never among a user's images
    key = image_files.key(files, form)
    streamed_key = f"{key}-streamed"
    if stream is None:
        stream = (
            own is not None
            and not (own / key).exists()
            and (
                (own / streamed_key).exists()
                or not memory.decoded_fit(len(files.paths), image_size, form.channels)
            )
        )
    dataset = cache.cached(
        [own] if own else [],
        streamed_key if stream else key,
        lambda: image_files.read(files, form, stream=stream),
    )
    return image_files.named(dataset, files)


def _load(
    name: str,
    image_size: int,
    channels: int | None,
    data_dir: Path | str | None,
    resize: str,
    background: str | None,
) -> "Dataset":
    if name == "digits":
        from kerasnets.datasets.sources.digits import load_digits

        return load_digits(image_size, channels, resize)
    from kerasnets.catalog import locations
    from kerasnets.datasets import cache
    from kerasnets.datasets.download.prepare import prepare
    from kerasnets.datasets.sources import tfds

    data = locations.data_folder(data_dir)
    folder = locations.prepared_folder(name, data) or prepare(name, data_dir=data)
    form = tfds.Form(image_size, channels, resize, background)
    return cache.cached(
        locations.cache_folders(data),
        tfds.key(name, folder, form),
        lambda: tfds.read(name, folder, form),
    )
