"""ONNX files that compute with whole numbers of 8 bits."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from kerasnets.inference.export.formats import add_metadata, silent
from kerasnets.inference.export.network import INPUT

_BATCH = 32


class _Training(CalibrationDataReader):
    """Training images in batches, whose activations set the ranges."""

    def __init__(self, pixels: np.ndarray) -> None:
        self._batches: Iterator[np.ndarray] = iter(
            np.split(pixels, range(_BATCH, len(pixels), _BATCH))
        )

    def get_next(self) -> dict[str, np.ndarray] | None:
        batch = next(self._batches, None)
        return None if batch is None else {INPUT: batch}


def quantize(
    path: Path, smaller: Path, pixels: np.ndarray, metadata: dict[str, str]
) -> None:
    """Static quantization by onnxruntime: weights by output channel, signed;
    activations by layer, unsigned.

    Args:
        path: the file that computes with float32.
        smaller: where to write.
        pixels: training images, uint8 [N, H, W, C], that the ranges are taken from.
    """
    prepared = smaller.with_name(f"prepared-{smaller.name}")
    with silent():
        # Folds the batch norms into the convolutions before them.
        quant_pre_process(str(path), str(prepared), skip_symbolic_shape=True)
        kinds = {node.op_type for node in onnx.load(str(prepared)).graph.node}
        quantize_static(
            str(prepared),
            str(smaller),
            _Training(pixels),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            # Probabilities of 8 bits would make ties.
            op_types_to_quantize=sorted(kinds - {"Softmax"}),
        )
    prepared.unlink()
    model = onnx.load(str(smaller))
    add_metadata(model, metadata)
    onnx.save(model, str(smaller))
