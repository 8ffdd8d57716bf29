"""TensorFlow Datasets, imported as a whole or not at all."""

from importlib import import_module
from typing import Any

from kerasnets.errors import raise_unless_data


def tfds() -> Any:
    """The package `tensorflow_datasets`.

    Where an import inside it fails, it only logs that, and leaves a module without
    contents.

    Raises:
        InstallationError: a package that it needs cannot be imported.
    """
    try:
        log = import_module("absl.logging").get_absl_logger()
        before, log.disabled = log.disabled, True
        try:
            package = import_module("tensorflow_datasets")
            # Raises what that one has swallowed.
            import_module("tensorflow_datasets.public_api")
        finally:
            log.disabled = before
    except Exception as error:
        raise_unless_data(error)
        raise
    return package
