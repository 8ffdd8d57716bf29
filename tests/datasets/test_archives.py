"""Archives from elsewhere: nothing leaves them, and none is larger than it may be."""

import gzip
import io
import struct
import tarfile

import pytest

from kerasnets.datasets.download import archives


def tar(tmp_path, *members):
    path = tmp_path / "archive.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return path


def member(name, content=b"", **fields):
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


RECORD = bytes([3]) + bytes(3072)


@pytest.mark.parametrize("name", ["../../escaped.bin", "/tmp/kerasnets-escaped.bin"])
def test_members_are_read_wherever_their_names_lead_and_nothing_is_written(
    tmp_path, name, monkeypatch
):
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    before = set(tmp_path.rglob("*"))
    path = tar(folder, member(name, RECORD))
    ((_, label),) = archives.read_cifar(path, [name], 1)
    assert label == (3,)
    assert set(tmp_path.rglob("*")) == {*before, path}


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_lead_nowhere(tmp_path, kind):
    secret = tmp_path / "secret"
    secret.write_bytes(RECORD)
    path = tar(tmp_path, member("a.bin", type=kind, linkname=str(secret)))
    with pytest.raises(ValueError, match=r"a\.bin is not a file"):
        list(archives.read_cifar(path, ["a.bin"], 1))


def test_a_member_that_is_missing(tmp_path):
    with pytest.raises(KeyError, match=r"b\.bin is not in the archive"):
        archives.read_names(tar(tmp_path, member("a.bin")), "b.bin")


def test_a_declared_size_beyond_all_sense_is_not_unpacked(tmp_path):
    info, _ = member("a.bin")
    info.size = archives.LARGEST + 1
    path = tmp_path / "bomb.tar.gz"
    with gzip.open(path, "wb") as file:
        file.write(info.tobuf())
    with pytest.raises(ValueError, match="declares"):
        list(archives.read_cifar(path, ["a.bin"], 1))


def test_sizes_are_added_up_before_the_member_is_reached(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "LARGEST", 5000)
    path = tar(tmp_path, member("a.bin", RECORD), member("b.bin", RECORD))
    assert len(list(archives.read_cifar(path, ["a.bin"], 1))) == 1
    with pytest.raises(ValueError, match="6,146 bytes or more"):
        list(archives.read_cifar(path, ["b.bin"], 1))


def idx(tmp_path, shape, content):
    path = tmp_path / "file.gz"
    header = bytes((0, 0, 8, len(shape))) + struct.pack(f">{len(shape)}I", *shape)
    path.write_bytes(gzip.compress(header + content))
    return path


@pytest.mark.parametrize(
    ("shape", "content", "says"),
    [
        ((2**32 - 1,) * 3, b"", "declares"),
        ((2, 2, 2), bytes(7), "does not have the 8 bytes"),
        # As a bomb would: more than it says is not unpacked.
        ((2, 2, 2), bytes(10_000_000), "does not have the 8 bytes"),
    ],
)
def test_idx_files_hold_what_they_say(tmp_path, shape, content, says):
    labels = idx(tmp_path, (2,), bytes(2)).rename(tmp_path / "labels.gz")
    with pytest.raises(ValueError, match=says):
        list(archives.read_idx(idx(tmp_path, shape, content), labels))
