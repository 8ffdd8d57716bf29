"""Small datasets written by TFDS, of whatever kind a test needs."""

import io
import json
import shutil
import struct
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from kerasnets.datasets.sources.tfds_records import masked_crc32c, read_array_record


def encoded(pixels: np.ndarray, form: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, form)
    return buffer.getvalue()


def grey(count: int, size: int = 8) -> list[np.ndarray]:
    """Images that differ from each other, [size, size]."""
    rng = np.random.default_rng(count)
    return list(rng.integers(0, 256, (count, size, size), dtype=np.uint8))


def examples(images, form: str = "PNG") -> list[dict]:
    return [
        {"image": encoded(image, form), "label": index % 2}
        for index, image in enumerate(images)
    ]


def write(
    data: Path,
    splits: dict[str, list[dict]],
    *,
    name: str = "made",
    features: dict | None = None,
    keys: tuple[str, str] | None = ("image", "label"),
    config: str | None = None,
) -> Path:
    """Write a dataset and return its version folder."""
    import tensorflow_datasets as tfds

    features = features or {
        "image": tfds.features.Image(shape=(None, None, 1)),
        "label": tfds.features.ClassLabel(names=["even", "odd"]),
    }

    class Made(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version("1.0.0")
        BUILDER_CONFIGS = [tfds.core.BuilderConfig(name=config)] if config else []

        def _info(self):
            return tfds.core.DatasetInfo(
                builder=self,
                features=tfds.features.FeaturesDict(features),
                supervised_keys=keys,
            )

        def _split_generators(self, dl_manager):
            return {split: self._generate_examples(split) for split in splits}

        def _generate_examples(self, split):
            yield from enumerate(splits[split])

    Made.name = name
    tfds.disable_progress_bar()
    builder = Made(data_dir=data, file_format="array_record")
    builder.download_and_prepare()
    return Path(builder.data_dir)


def as_tfrecord(folder: Path) -> None:
    """Turn the files of a prepared dataset into TFDS's older format."""
    for old in folder.glob("*.array_record-*"):
        new = old.with_name(old.name.replace("array_record", "tfrecord"))
        with new.open("wb") as file:
            for record in read_array_record(old):
                length = struct.pack("<Q", len(record))
                for part in (length, record):
                    file.write(part + struct.pack("<I", masked_crc32c(part)))
        old.unlink()
    edit_info(folder, fileFormat="tfrecord")


def as_format(folder: Path, form: str) -> None:
    """Turn the files of a prepared dataset into "parquet" or "bagz", under the names
    that TFDS has for formats whose name comes last."""
    template = "{DATASET}-{SPLIT}-{SHARD_X_OF_Y}.{FILEFORMAT}"
    for old in folder.glob("*.array_record-*"):
        stem, _, shard = old.name.partition(".array_record")
        _FORMS[form](folder / f"{stem}{shard}.{form}", list(read_array_record(old)))
        old.unlink()
    info = json.loads((folder / "dataset_info.json").read_text())
    splits = [{**split, "filepathTemplate": template} for split in info["splits"]]
    edit_info(folder, fileFormat=form, splits=splits)


def _write_parquet(path: Path, records: list[bytes]) -> None:
    import pyarrow
    from pyarrow import parquet

    parquet.write_table(pyarrow.table({"data": records}), path)


def _write_bagz(path: Path, records: list[bytes]) -> None:
    import bagz

    with tempfile.TemporaryDirectory() as folder:  # of a name that is no pattern
        writer = bagz.Writer(f"{folder}/{path.name}")
        for record in records:
            writer.write(record)
        writer.close()
        shutil.move(f"{folder}/{path.name}", path)


_FORMS = {"parquet": _write_parquet, "bagz": _write_bagz}


def edit_info(folder: Path, **changes: object) -> None:
    path = folder / "dataset_info.json"
    info = json.loads(path.read_text())
    path.write_text(json.dumps({**info, **changes}))
