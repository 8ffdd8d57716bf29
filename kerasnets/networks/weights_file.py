"""Weights from a file: .safetensors, or PyTorch's .pth.

A .safetensors file can contain only a header and numbers. A .pth file is a pickle,
which can contain code; it is read in PyTorch's restricted mode, which refuses code.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kerasnets.errors import WeightsError, raise_unless_data

if TYPE_CHECKING:
    import torch


def read_weights(path: Path | str) -> dict[str, np.ndarray]:
    """Read arrays by name, for `load_torchvision_weights`.

    Args:
        path: a .safetensors, .pth or .pt file of named tensors. bfloat16 and 8-bit
            floats become float32, as NumPy lacks them.

    Raises:
        WeightsError: the file is missing, of another kind, damaged, or contains
            anything other than named tensors.
    """
    path = Path(path)
    readers = {".safetensors": _read_safetensors, ".pth": _read_pth, ".pt": _read_pth}
    if path.suffix not in readers:
        raise WeightsError(f"{path} must end in {', '.join(readers)}.")
    if not path.is_file():
        raise WeightsError(f"there is no file {path}.")
    return readers[path.suffix](path)


def _read_safetensors(path: Path) -> dict[str, np.ndarray]:
    from safetensors.torch import load_file

    try:
        return {name: as_array(tensor) for name, tensor in load_file(path).items()}
    except OSError:
        raise
    except Exception as error:  # the header and tensor readers raise many kinds
        raise_unless_data(error)
        raise WeightsError(f"{path} is not a valid .safetensors file.") from error


def _read_pth(path: Path) -> dict[str, np.ndarray]:
    import torch

    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
        return {str(name): as_array(tensor) for name, tensor in found.items()}
    except Exception as error:  # the zip, pickle and tensor readers raise many kinds
        raise_unless_data(error)
        raise WeightsError(
            f"{path} cannot be read: it is damaged, or contains something other than "
            "named tensors, which could be code."
        ) from error


def as_array(tensor: "torch.Tensor") -> np.ndarray:
    """A tensor's values; dtypes that NumPy lacks, such as bfloat16, as float32."""
    import torch

    known = (torch.float16, torch.float32, torch.float64)
    if tensor.is_floating_point() and tensor.dtype not in known:
        tensor = tensor.float()
    return tensor.detach().cpu().numpy()
