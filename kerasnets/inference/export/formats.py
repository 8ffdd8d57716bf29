"""Export formats: requirements, writer and runner of each."""

import contextlib
import io
import logging
import os
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasnets.compute.execution import Execution
from kerasnets.errors import ExportError, InstallationError, adding, unknown
from kerasnets.inference.classifier import Classifier
from kerasnets.inference.export.network import INPUT, OUTPUT, from_pixels, rebuilt
from kerasnets.networks.pretrained import load_torchvision_weights, torchvision_weights
from kerasnets.networks.weights_file import read_weights

# Maps pixels, uint8 [N, H, W, C], to probabilities, float32 [N, classes].
Runner = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Format:
    """An export format.

    Attributes:
        ending: file extension; "" for a folder.
        backend: the Keras backend that writes it; "" for any.
        packages: further packages needed.
        runtime: name of the program that runs the file.
        write: writer, called with (classifier, path, metadata).
        runner: called with (path, classifier), returns a `Runner` of the file.
    """

    ending: str
    backend: str
    packages: tuple[str, ...]
    runtime: str
    write: Callable[[Classifier, Path, dict[str, str]], None]
    runner: Callable[[Path, Classifier], Runner]


def checked(name: str) -> Format:
    """The format of that name, if it can be written here.

    Raises:
        ExportError: the format is unknown, or needs another backend.
        InstallationError: a package is missing.
    """
    if name not in FORMATS:
        raise _Unknown(unknown("format", name, FORMATS))
    form = FORMATS[name]
    backend = keras.backend.backend()
    if form.backend and backend != form.backend:
        raise _Unknown(
            f"{name} is written under the backend {form.backend}, and this is "
            f"{backend}; any run can be exported with KERAS_BACKEND={form.backend}."
        )
    for package in form.packages:
        if find_spec(package) is None:
            raise InstallationError(
                f"{name} needs {package}, which is not installed; "
                f"{adding(f'kerasnets[{name}]')}"
            )
    return form


class _Unknown(ExportError):
    exit_status = 2


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Suppress the output and warnings of exporters."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with (
            warnings.catch_warnings(action="ignore"),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            yield
    finally:
        logging.disable(before)


def _export(classifier: Classifier, path: Path, form: str, **options: Any) -> None:
    with silent():
        network = from_pixels(classifier)
        # Keras refuses to export a model that was never called.
        network(np.zeros((1, *network.input_shape[1:]), "uint8"))
        network.export(str(path), format=form, verbose=False, **options)


def _write_onnx(classifier: Classifier, path: Path, metadata: dict[str, str]) -> None:
    import onnx

    _export(classifier, path, "onnx")
    model = onnx.load(str(path))
    old = model.graph.output[0].name
    for node in model.graph.node:
        for names in (node.input, node.output):
            for index, name in enumerate(names):
                if name == old:
                    names[index] = OUTPUT
    model.graph.output[0].name = OUTPUT
    add_metadata(model, metadata)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def add_metadata(model: Any, metadata: dict[str, str]) -> None:
    """Replace the metadata of an ONNX model."""
    import onnx

    del model.metadata_props[:]
    onnx.helper.set_model_props(model, metadata)


def _onnx_runner(path: Path, classifier: Classifier) -> Runner:
    return onnx_runner(path)


def onnx_runner(path: Path, *, threads: int | None = None) -> Runner:
    """What runs an ONNX file on the CPU.

    Args:
        threads: of one operation; OMP_NUM_THREADS, else onnxruntime's choice, unless
            given.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    named = os.environ.get("OMP_NUM_THREADS", "")
    options.intra_op_num_threads = threads or (int(named) if named.isdecimal() else 0)
    session = onnxruntime.InferenceSession(
        str(path), options, providers=["CPUExecutionProvider"]
    )
    return lambda pixels: session.run([OUTPUT], {INPUT: pixels})[0]


_CONTENT = "kerasnets.json"


def _write_torch(classifier: Classifier, path: Path, metadata: dict[str, str]) -> None:
    import json

    import torch

    # An upper bound beyond any memory: it only makes the dimension dynamic.
    batch = torch.export.Dim("batch", min=1, max=2**16)
    _export(classifier, path, "torch", dynamic_shapes={0: batch})
    with silent():
        program = torch.export.load(path)
        torch.export.save(program, path, extra_files={_CONTENT: json.dumps(metadata)})


def _torch_runner(path: Path, classifier: Classifier) -> Runner:
    import torch

    with silent():
        network = torch.export.load(path).module()

    def run(pixels: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return network(torch.from_numpy(pixels)).numpy()

    return run


def _write_safetensors(
    classifier: Classifier, path: Path, metadata: dict[str, str]
) -> None:
    from safetensors.numpy import save_file

    save_file(torchvision_weights(classifier.model), path, {"format": "pt", **metadata})


def _safetensors_runner(path: Path, classifier: Classifier) -> Runner:
    model = rebuilt(classifier)
    load_torchvision_weights(model, read_weights(path))
    filled = Classifier(
        classifier.run, model, classifier.preprocessing, Execution("cpu")
    )
    return filled.probabilities


def _write_openvino(
    classifier: Classifier, path: Path, metadata: dict[str, str]
) -> None:
    import openvino

    _export(classifier, path, "openvino")
    model = openvino.Core().read_model(str(path))
    (images,), (probabilities,) = model.inputs, model.outputs
    steps = classifier.preprocessing
    shape = openvino.PartialShape([-1, steps.height, steps.width, len(steps.mean)])
    model.reshape({images: shape})
    images.tensor.set_names({INPUT})
    probabilities.tensor.set_names({OUTPUT})
    for name, value in metadata.items():
        model.set_rt_info(value, [name])
    renamed = path.with_name(f"named-{path.name}")
    openvino.save_model(model, str(renamed), compress_to_fp16=False)
    del model
    for ending in (".xml", ".bin"):
        renamed.with_suffix(ending).replace(path.with_suffix(ending))


def _openvino_runner(path: Path, classifier: Classifier) -> Runner:
    import openvino

    compiled = openvino.Core().compile_model(str(path), "CPU")
    return lambda pixels: compiled({INPUT: pixels})[OUTPUT]


def _write_saved_model(
    classifier: Classifier, path: Path, metadata: dict[str, str]
) -> None:
    import json

    _export(classifier, path, "tf_saved_model")
    extra = path / "assets.extra"
    extra.mkdir(exist_ok=True)
    (extra / _CONTENT).write_text(json.dumps(metadata), encoding="utf-8")


def _saved_model_runner(path: Path, classifier: Classifier) -> Runner:
    import tensorflow

    loaded = tensorflow.saved_model.load(str(path))
    return lambda pixels: loaded.serve(tensorflow.constant(pixels)).numpy()


def _write_litert(classifier: Classifier, path: Path, metadata: dict[str, str]) -> None:
    import json
    import zipfile

    _export(classifier, path, "litert")
    # As LiteRT's own tools attach files: readers of the network parse from the front,
    # those of zip archives from the back.
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(_CONTENT, json.dumps(metadata))


def _litert_runner(path: Path, classifier: Classifier) -> Runner:
    import tensorflow

    with silent():  # TensorFlow warns that LiteRT will be a package of its own
        interpreter = tensorflow.lite.Interpreter(model_path=str(path))
    (images,) = interpreter.get_input_details()
    (probabilities,) = interpreter.get_output_details()

    def run(pixels: np.ndarray) -> np.ndarray:
        interpreter.resize_tensor_input(images["index"], pixels.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(images["index"], pixels)
        interpreter.invoke()
        return interpreter.get_tensor(probabilities["index"])

    return run


FORMATS = {
    "onnx": Format(
        ".onnx",
        "torch",
        ("onnx", "onnxruntime"),
        "onnxruntime",
        _write_onnx,
        _onnx_runner,
    ),
    "safetensors": Format(
        ".safetensors",
        "",
        (),
        "a new network",
        _write_safetensors,
        _safetensors_runner,
    ),
    "torch-export": Format(
        ".pt2", "torch", (), "torch.export", _write_torch, _torch_runner
    ),
    "openvino": Format(
        ".xml",
        "torch",
        ("openvino",),
        "openvino",
        _write_openvino,
        _openvino_runner,
    ),
    "saved-model": Format(
        "", "tensorflow", (), "TensorFlow", _write_saved_model, _saved_model_runner
    ),
    "litert": Format(
        ".tflite", "tensorflow", (), "LiteRT", _write_litert, _litert_runner
    ),
}
