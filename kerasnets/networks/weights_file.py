"""Weights from a file: .safetensors, or PyTorch's .pth where there is no other.

A .safetensors file is a header and numbers, and can hold nothing else. A .pth file is a
pickle, which can hold programs; it is read in PyTorch's restricted mode, which refuses
them.
"""

import math
import struct
from pathlib import Path
from typing import Any

import numpy as np

from kerasnets.errors import WeightsError, raise_unless_data
from kerasnets.storage import schema

_LARGEST_HEADER = 100_000_000  # bytes, as in the format's own library
_TYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": "<u2",  # the upper half of a float32
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "<i1",
    "U8": "<u1",
}


def read_weights(path: Path | str) -> dict[str, np.ndarray]:
    """Arrays by name, for `load_torchvision_weights`.

    Args:
        path: a .safetensors, .pth or .pt file of named tensors. bfloat16 becomes
            float32, which NumPy has.

    Raises:
        WeightsError: it is missing, of another kind, damaged, or holds anything else
            than named tensors.
    """
    path = Path(path)
    readers = {".safetensors": _read_safetensors, ".pth": _read_pth, ".pt": _read_pth}
    if path.suffix not in readers:
        raise WeightsError(f"{path} must end in {', '.join(readers)}.")
    if not path.is_file():
        raise WeightsError(f"there is no file {path}.")
    return readers[path.suffix](path)


def _read_safetensors(path: Path) -> dict[str, np.ndarray]:
    """The format: https://github.com/huggingface/safetensors, "Format"."""
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > _LARGEST_HEADER:
                raise ValueError("its header is too large")
            header = schema.parse(file.read(length).decode("utf-8"))
            data = file.read()
        header.pop("__metadata__", None)
        return {name: _tensor(about, data) for name, about in header.items()}
    except (KeyError, TypeError, ValueError, struct.error) as error:
        raise WeightsError(f"{path} is not a whole .safetensors file.") from error


def _tensor(about: dict[str, Any], data: bytes) -> np.ndarray:
    kind, shape = np.dtype(_TYPES[about["dtype"]]), tuple(about["shape"])
    begin, end = about["data_offsets"]
    if min(shape, default=0) < 0 or not 0 <= begin <= end <= len(data):
        raise ValueError("a tensor is not inside the file")
    if end - begin != math.prod(shape) * kind.itemsize:
        raise ValueError("a tensor has another size than its shape")
    array = np.frombuffer(data[begin:end], kind).reshape(shape)
    if about["dtype"] == "BF16":
        array = (array.astype("<u4") << 16).view("<f4")
    return array


def _read_pth(path: Path) -> dict[str, np.ndarray]:
    import torch

    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
        return {
            str(name): tensor.detach().float().numpy()
            if tensor.dtype == torch.bfloat16
            else tensor.detach().numpy()
            for name, tensor in found.items()
        }
    except Exception as error:  # the zip, pickle and tensor readers raise many kinds
        raise_unless_data(error)
        raise WeightsError(
            f"{path} cannot be read: it is damaged, or holds something other than "
            "named tensors, which could be a program."
        ) from error
