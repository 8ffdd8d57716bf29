"""Damage in the files that TFDS keeps examples in."""

import os

import made_dataset as made
import numpy as np
import pytest

from kerasnets import datasets
from kerasnets.datasets.sources.tfds_records import masked_crc32c
from kerasnets.errors import DatasetError


@pytest.mark.parametrize(
    ("data", "known"),
    # RFC 3720, appendix B.4.
    [
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
        (b"123456789", 0xE3069283),
        (b"", 0),
    ],
)
def test_the_checksum_is_the_published_one(data, known):
    unmasked = masked_crc32c(data) - 0xA282EAD8 & 0xFFFFFFFF
    assert (unmasked >> 17 | unmasked << 15) & 0xFFFFFFFF == known


@pytest.mark.parametrize("form", ["array_record", "tfrecord"])
def test_any_flipped_or_missing_byte_of_a_shard_is_one_line(tmp_path, form):
    splits = {name: made.examples(made.grey(3)) for name in ("train", "test")}
    folder = made.write(tmp_path, splits)
    if form == "tfrecord":
        made.as_tfrecord(folder)
    shard = next(folder.glob(f"*-train.{form}-*"))
    whole = shard.read_bytes()
    expected = datasets.load("made", data_dir=tmp_path).fingerprint
    rng = np.random.default_rng(0)
    places = rng.choice(len(whole), min(len(whole), 60), replace=False)
    noticed = 0
    for place in places:
        flipped = bytearray(whole)
        flipped[place] ^= 1 << rng.integers(8)
        shard.write_bytes(flipped)
        # Where the byte means nothing (array_record pads), the data is as it was.
        try:
            found = datasets.load("made", data_dir=tmp_path).fingerprint
        except DatasetError as error:
            noticed += 1
            assert len(str(error).splitlines()) == 1
            assert shard.name in str(error)
        else:
            assert found == expected, place
    assert noticed
    shard.write_bytes(whole)
    os.truncate(shard, len(whole) // 2)
    with pytest.raises(DatasetError, match=shard.name):
        datasets.load("made", data_dir=tmp_path)
