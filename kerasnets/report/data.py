"""Whether a dataset is on this machine: a report downloads nothing by itself."""

from pathlib import Path

from kerasnets.datasets.folders import data_folder, prepared_folder


def is_at_hand(dataset: str, data_dir: Path | str | None) -> bool:
    """Whether it is prepared in `data_dir` (TFDS_DATA_DIR unless given), or is in a
    package as the digits are."""
    return dataset == "digits" or bool(prepared_folder(dataset, data_folder(data_dir)))
