"""Import of TensorFlow Datasets, complete or not at all."""

from importlib import import_module
from typing import Any

from kerasnets.errors import raise_unless_data


def tfds() -> Any:
    """The package `tensorflow_datasets`.

    If an import inside it fails, the package only logs this and remains empty.

    Raises:
        InstallationError: one of its dependencies cannot be imported.
    """
    try:
        log = import_module("absl.logging").get_absl_logger()
        before, log.disabled = log.disabled, True
        try:
            package = import_module("tensorflow_datasets")
            # Raises the error that the import above has swallowed.
            import_module("tensorflow_datasets.public_api")
        finally:
            log.disabled = before
    except Exception as error:
        raise_unless_data(error)
        raise
    return package
