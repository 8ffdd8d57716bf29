"""First-time preparation: download, check, and write as a TFDS folder."""

import contextlib
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import filelock

from kerasnets.datasets.folders import data_folder, prepared_folder, prepared_names
from kerasnets.datasets.specs import DATASETS
from kerasnets.errors import DatasetError, unknown

if TYPE_CHECKING:
    from kerasnets.datasets.builders import Mirror

_CONNECT_S = 10


def prepare(
    name: str, *, data_dir: Path | None = None, mirror: "Mirror | None" = None
) -> Path:
    """Prepare a dataset unless it is, and return its version folder.

    Archives that an earlier attempt finished are not downloaded again; what it left
    unfinished is removed. Two processes preparing one dataset take turns.

    Args:
        name: one of those listed by `kerasnets datasets`; any other TFDS dataset
            where TensorFlow is installed.
        data_dir: TFDS_DATA_DIR unless given.
        mirror: where the archives are, instead of their publisher.

    Raises:
        DatasetError: the name is unknown, or the download, the check or the writing
            failed.
    """
    data = data_folder(data_dir)
    if name == "digits":
        raise DatasetError("digits comes with scikit-learn and needs no preparation.")
    ready = prepared_folder(name, data)
    if ready:
        return ready
    others = [other for other in prepared_names(data) if other not in DATASETS]
    if name not in DATASETS and find_spec("tensorflow") is None:
        raise DatasetError(
            unknown("dataset", name, [*DATASETS, *others])
            + f" Any image-classification dataset that TFDS has prepared in {data} "
            "works too; without TensorFlow, only the named ones can be downloaded."
        )
    with _turn(name, data):
        ready = prepared_folder(name, data)
        if ready:
            return ready
        _remove_unfinished(name, data)
        _download_and_prepare(name, data, mirror)
    ready = prepared_folder(name, data)
    if ready is None:
        raise DatasetError(f"preparing {name} left nothing in {data}.")
    return ready


@contextlib.contextmanager
def _turn(name: str, data: Path) -> Iterator[None]:
    try:
        data.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(data / f".{name.replace('/', '-')}.lock")
        lock.acquire()
    except OSError as error:
        raise DatasetError(
            f"{name} is not prepared in {data}, which cannot be written "
            f"({error.strerror}); name another folder with TFDS_DATA_DIR."
        ) from error
    try:
        yield
    finally:
        lock.release()


def _remove_unfinished(name: str, data: Path) -> None:
    for pattern in (f"{name}/*incomplete*", f"downloads/{name}/*.tmp.*"):
        for left in data.glob(pattern):
            shutil.rmtree(left, ignore_errors=True)


def _download_and_prepare(name: str, data: Path, mirror: "Mirror | None") -> None:
    import tensorflow_datasets as tfds

    from kerasnets.datasets import builders

    try:
        if name in builders.NAMES:
            builder = builders.builder(name, data, mirror)
            for url in builders.urls(builder):
                _check_reachable(url, name)
        else:
            builder = tfds.builder(name, data_dir=data, file_format="array_record")
        builder.download_and_prepare(
            download_config=tfds.download.DownloadConfig(
                force_checksums_validation=name in builders.NAMES
            )
        )
    except DatasetError:
        raise
    except Exception as error:  # TFDS, requests and the archives raise many kinds
        _remove_unfinished(name, data)
        raise DatasetError(
            f"preparing {name} failed: {_said(error)}. Nothing unfinished was kept; "
            f"'kerasnets prepare {name}' tries again."
        ) from error


def _check_reachable(url: str, name: str) -> None:
    """One quick try, as TFDS itself would retry for minutes where there is no
    network."""
    import requests

    advice = (
        f"run 'kerasnets prepare {name}' where there is a network, or name a folder "
        "that has it prepared with TFDS_DATA_DIR"
    )
    try:
        with requests.get(url, stream=True, timeout=_CONNECT_S) as response:
            if response.status_code != 200:
                raise DatasetError(
                    f"{name} is not prepared, and {url} answered "
                    f"{response.status_code}; {advice}."
                )
    except requests.RequestException as error:
        raise DatasetError(
            f"{name} is not prepared, and {url} cannot be reached; {advice}."
        ) from error


def _said(error: Any) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__).rstrip(".:")
