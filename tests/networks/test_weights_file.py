"""Weights from files, which may come from elsewhere."""

import json
import pickle
import struct

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from kerasnets.errors import WeightsError
from kerasnets.networks.weights_file import read_weights


def safetensors(header: object, data: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def about(dtype: str, shape: list, begin: int, end: int) -> dict:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def test_safetensors(tmp_path):
    values = np.arange(6, dtype="<f4")
    halves = np.array([1.5, -2.0], "<f4").view("<u4") >> 16
    header = {
        "__metadata__": {"format": "pt"},
        "a.weight": about("F32", [2, 3], 0, 24),
        "b": about("BF16", [2], 24, 28),
        "c": about("I64", [], 28, 36),
    }
    data = values.tobytes() + halves.astype("<u2").tobytes() + struct.pack("<q", 7)
    path = tmp_path / "w.safetensors"
    path.write_bytes(safetensors(header, data))
    found = read_weights(path)
    assert list(found) == ["a.weight", "b", "c"]
    np.testing.assert_array_equal(found["a.weight"], values.reshape(2, 3))
    np.testing.assert_array_equal(found["b"], [1.5, -2.0])
    assert found["c"].item() == 7


def test_pth(tmp_path):
    tensors = {"a": torch.ones(2, 3), "b": torch.tensor([1.5], dtype=torch.bfloat16)}
    torch.save(tensors, tmp_path / "w.pth")
    found = read_weights(tmp_path / "w.pth")
    np.testing.assert_array_equal(found["a"], np.ones((2, 3)))
    np.testing.assert_array_equal(found["b"], [1.5])


class Program:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("form", ["archive", "pickle"])
def test_a_program_in_a_pth_file_does_not_run(tmp_path, form):
    trace, path = tmp_path / "it ran", tmp_path / "w.pth"
    if form == "archive":
        torch.save({"a": Program(trace)}, path)
    else:
        path.write_bytes(pickle.dumps({"a": Program(trace)}))
    with pytest.raises(WeightsError, match="could be code"):
        read_weights(path)
    assert not trace.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff" * 8,
        struct.pack("<Q", 2**62),
        safetensors([]),
        safetensors({"a": about("F32", [2], 0, 8)}, bytes(7)),
        safetensors({"a": about("F32", [2], 0, 4)}, bytes(8)),
        safetensors({"a": about("F32", [-1, -2], 0, 8)}, bytes(8)),
        safetensors({"a": about("F32", [2], -8, 0)}, bytes(8)),
        safetensors({"a": about("F99", [2], 0, 8)}, bytes(8)),
        safetensors({"a": about("F32", "ab", 0, 8)}, bytes(8)),
        safetensors({"a": 3}),
    ],
)
def test_damaged_safetensors_are_refused(tmp_path, content):
    path = tmp_path / "w.safetensors"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="not a valid"):
        read_weights(path)


@given(content=st.binary(max_size=99), kind=st.sampled_from([".safetensors", ".pth"]))
def test_any_bytes_are_refused(tmp_path_factory, content, kind):
    path = tmp_path_factory.mktemp("w") / f"w{kind}"
    path.write_bytes(content)
    with pytest.raises(WeightsError):
        read_weights(path)


def test_other_kinds_and_missing_files(tmp_path):
    with pytest.raises(WeightsError, match=r"must end in \.safetensors"):
        read_weights(tmp_path / "w.pkl")
    with pytest.raises(WeightsError, match="there is no file"):
        read_weights(tmp_path / "w.pth")
