"""Export a trained run, and verify the file by running it."""

import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kerasnets import datasets, runs
from kerasnets.compute.execution import Execution
from kerasnets.datasets.dataset import Subset
from kerasnets.datasets.splits import partition
from kerasnets.errors import ExportError, RunError, option, shown
from kerasnets.inference import card
from kerasnets.inference.classifier import Classifier, load
from kerasnets.inference.export import formats
from kerasnets.inference.export.formats import Format, Runner
from kerasnets.inference.export.network import in_float32, metadata
from kerasnets.runs import Run
from kerasnets.runs.trained import check_trained
from kerasnets.storage.folders import not_a_file, why_not_writable

FOLDER = Path("artifacts/exports")
IMAGES = 256  # maximum number of test images for the verification
_BATCH = 64
_SAVED_MODEL = "saved_model.pb"  # present in every SavedModel folder
_TIE = 1e-4  # difference of two probabilities whose order rounding may swap


@dataclass(frozen=True)
class Quantized:
    """Accuracy and speed of 8-bit quantization, compared on the same test images.

    Attributes:
        accuracy, float_accuracy: shares in [0, 1], quantized and in float32.
        images_per_s, float_images_per_s: speed in onnxruntime on this machine.
    """

    accuracy: float
    float_accuracy: float
    images_per_s: float
    float_images_per_s: float


@dataclass(frozen=True)
class Exported:
    """An exported and verified file.

    Attributes:
        path: the file, or folder for a SavedModel.
        card: the model card next to it.
        runtime: the program that ran the file.
        images: number of test images for the verification.
        largest_difference: maximum difference of a probability from the run's.
        changed: images whose prediction differs from the run's, without ties.
        ties: images whose prediction differs, but whose two classes' probabilities are
            within 0.0001.
        quantized: comparison for 8-bit files, else None.
    """

    path: Path
    card: Path
    runtime: str
    images: int
    largest_difference: float
    changed: int
    ties: int
    quantized: Quantized | None = None


def export(
    run: Run | str | Path,
    form: str,
    out: Path | str | None = None,
    *,
    int8: bool = False,
    overwrite: bool = False,
    data_dir: Path | str | None = None,
) -> Exported:
    """Export a run's network. The file maps uint8 images [N, H, W, C] of the network's
    size, its input "images", to probabilities [N, classes], including normalization; a
    .safetensors file contains only the weights.

    The file is verified on test images before it is moved to its destination. It also
    contains the class names, the rule for resizing images, and the recipe.

    Args:
        run: the run, its folder, or the name of one in artifacts/runs.
        form: one of `kerasnets.inference.export.formats.FORMATS`.
        out: the file; artifacts/exports/<run's name> unless given.
        int8: ONNX only: quantize to 8-bit integers, calibrated on training images.
        overwrite: replace existing files.
        data_dir: folder of prepared datasets; TFDS_DATA_DIR unless given.

    Raises:
        ExportError: the format is unknown or needs another backend, or the file's
            predictions differ from the run's.
        InstallationError: a package that the format needs is missing.
        RunError: the run is not trained or is damaged, or the file exists or cannot be
            written.
        DatasetError: the test images are missing.
    """
    run = runs.opened(run)
    check_trained(run)
    chosen = formats.checked(form)
    if int8 and form != "onnx":
        raise RunError(f"{option('int8', True)} is for the format onnx, not {form}.")
    path = _path(run, chosen, out, int8)
    told = Path(f"{path}.md")  # a run's cards for other formats stay
    _check_free(path, told, overwrite)
    dataset = datasets.load_for(run.recipe, data_dir)
    parts = partition(dataset, run.recipe)
    tested = _some(parts.test)
    classifier = in_float32(load(run, device="cpu", data_dir=data_dir))
    expected = _run(classifier.probabilities, tested[0])
    nearest = next(one for one in path.absolute().parents if one.exists())
    with (
        tempfile.TemporaryDirectory(prefix=".tmp-", dir=nearest) as temporary,
        # Otherwise Keras would export the network for its default device.
        Execution("cpu").begin(),
    ):
        made = Path(temporary, path.name)
        chosen.write(classifier, made, metadata(classifier))
        run_file = chosen.runner(made, classifier)
        quantized = None
        if int8:
            made, quantized, run_file = _quantized(
                classifier, made, run_file, _some(parts.train)[0], tested
            )
        found = _run(run_file, tested[0])
        exported = _compared(path, told, chosen, expected, found, quantized)
        if exported.changed and not int8:
            raise ExportError(
                f"the {form} file predicts another class than the run for "
                f"{exported.changed} of {len(found)} test images, with probabilities "
                f"that differ by up to {exported.largest_difference:.2g}; it is not "
                "kept."
            )
        card_text = card.model_card(run, path)
        path.parent.mkdir(parents=True, exist_ok=True)
        _put(Path(temporary), made, path)
    told.write_text(card_text, encoding="utf-8")
    return exported


def _path(run: Run, form: Format, out: Path | str | None, int8: bool) -> Path:
    if out is None:
        name = run.path.resolve().name + ("-int8" if int8 else "")
        return FOLDER / (name + form.ending if form.ending else f"{name}-saved-model")
    path = Path(out)
    if path.suffix != form.ending:
        wanted = f"must end in {form.ending}" if form.ending else "must have no ending"
        raise RunError(f"{option('out')} {shown(path)} {wanted}.")
    return path


def _check_free(path: Path, told: Path, overwrite: bool) -> None:
    weights = [path.with_suffix(".bin")] if path.suffix == ".xml" else []
    for file in (path, told, *weights):
        other = not_a_file(file)
        if other and not (file == path and (file / _SAVED_MODEL).is_file()):
            raise RunError(f"{shown(file)} is {other}; choose another {option('out')}.")
        if file.exists() and not overwrite:
            raise RunError(
                f"{shown(file)} exists; {option('overwrite', True)} replaces it, "
                f"{option('out')} chooses another."
            )
    obstacle = why_not_writable(path.parent)
    if obstacle:
        raise RunError(f"{obstacle}; choose another {option('out')}.")


def _some(subset: Subset) -> tuple[np.ndarray, np.ndarray]:
    """Up to `IMAGES` evenly spaced images of a subset, and their labels."""
    count = len(subset)
    chosen = np.linspace(0, count - 1, min(IMAGES, count)).round().astype(int)
    rows = subset.indices[chosen]
    return np.asarray(subset.split.images[rows]), subset.split.labels[rows]


def _run(run: Runner, pixels: np.ndarray) -> np.ndarray:
    """Probabilities in batches. The last batch has one image, to verify that N is not
    fixed."""
    starts = [*range(0, len(pixels) - 1, _BATCH), len(pixels) - 1]
    stops = [*starts[1:], len(pixels)]
    return np.concatenate(
        [run(pixels[a:b]) for a, b in zip(starts, stops, strict=True)]
    )


def _compared(
    path: Path,
    told: Path,
    form: Format,
    expected: np.ndarray,
    found: np.ndarray,
    quantized: Quantized | None,
) -> Exported:
    rows = np.arange(len(expected))
    ours, theirs = expected.argmax(axis=1), found.argmax(axis=1)
    gaps = expected[rows, ours] - expected[rows, theirs]
    other = ours != theirs
    return Exported(
        path=path,
        card=told,
        runtime=form.runtime,
        images=len(found),
        largest_difference=float(np.abs(found - expected).max()),
        changed=int((other & ~(gaps <= _TIE)).sum()),
        ties=int((other & (gaps <= _TIE)).sum()),
        quantized=quantized,
    )


def _quantized(
    classifier: Classifier,
    made: Path,
    run_float: Runner,
    training: np.ndarray,
    tested: tuple[np.ndarray, np.ndarray],
) -> tuple[Path, Quantized, Runner]:
    from kerasnets.inference.export.int8 import quantize

    smaller = made.with_name(f"int8-{made.name}")
    quantize(made, smaller, training, metadata(classifier))
    run_file = formats.onnx_runner(smaller)
    pixels, labels = tested
    accuracies, speeds = [], []
    for run in (run_file, run_float):
        _run(run, pixels[: 2 * _BATCH])  # warm-up
        began = time.perf_counter()
        probabilities = _run(run, pixels)
        speeds.append(len(pixels) / (time.perf_counter() - began))
        accuracies.append(float((probabilities.argmax(axis=1) == labels).mean()))
    return smaller, Quantized(*accuracies, *speeds), run_file


def _put(temporary: Path, made: Path, path: Path) -> None:
    """Move the file, and OpenVINO's weights, to their destination."""
    if path.is_dir():
        shutil.rmtree(path)
    for file in sorted(temporary.iterdir()):
        if file == made:
            file.replace(path)
        elif file.suffix == ".bin":
            file.replace(path.with_suffix(".bin"))
