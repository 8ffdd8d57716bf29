"""8-bit quantization of ONNX files."""

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
    """Batches of training images for the calibration of activations."""

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
    """Static quantization by onnxruntime: weights signed, per output channel;
    activations unsigned, per layer.

    Args:
        path: the float32 file.
        smaller: the file to write.
        pixels: training images for the calibration, uint8 [N, H, W, C].
        metadata: of the new file.
    """
    prepared = smaller.with_name(f"prepared-{smaller.name}")
    with silent():
        # Folds batch norms into the preceding convolutions.
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
            # 8-bit probabilities would cause ties.
            op_types_to_quantize=sorted(kinds - {"Softmax"}),
        )
    prepared.unlink()
    model = onnx.load(str(smaller))
    add_metadata(model, metadata)
    onnx.save(model, str(smaller))
