"""Whether a dataset is on this machine: a report downloads nothing by itself."""

from pathlib import Path

from kerasnets.datasets.folders import data_folder_if_any, prepared_folder


def is_at_hand(dataset: str, data_dir: Path | str | None) -> bool:
    """Whether it is prepared in `data_dir` (TFDS_DATA_DIR unless given), or is in a
    package as the digits are."""
    folder = data_folder_if_any(data_dir)
    return dataset == "digits" or prepared_folder(dataset, folder) is not None
