"""A model card in the format of the Hugging Face Hub, from a run folder."""

import json
from pathlib import Path
from typing import Any

from kerasnets import text
from kerasnets.catalog.titles import dataset_title, network_title
from kerasnets.datasets import preprocessing
from kerasnets.errors import RunError
from kerasnets.recipe import SETTINGS
from kerasnets.runs import Run
from kerasnets.runs.records import begun_environment
from kerasnets.runs.results import METRICS_FILE, PER_CLASS, read_metrics, read_per_class
from kerasnets.statistics import INTERVAL, wilson_interval
from kerasnets.text import Bullets, Code, Heading, Page, Paragraph, Part, Table

_LISTED = 100  # maximum number of classes listed


def model_card(run: Run, exported: Path | None = None) -> str:
    """The card, in Markdown with a YAML header: data, recipe, metrics with intervals,
    metrics per class, limits, and how to load the network.

    Args:
        exported: the exported file that the card accompanies.

    Raises:
        RunError: a record of the run is damaged.
    """
    metrics = None
    if (run.path / METRICS_FILE).exists():
        metrics = read_metrics(run.path)
    recipe = run.recipe
    network = network_title(recipe.network, recipe.batch_norm)
    data = dataset_title(recipe.dataset)
    page = Page(
        f"{network} on {data}",
        (
            f"An image classifier: {network}, trained on {data} with kerasnets.",
            Heading("Use"),
            *_loading(run, exported),
            Heading("Data"),
            *_data(run, metrics),
            Heading("Results"),
            *_results(run, metrics),
            Heading("Limits"),
            Bullets(_limits(run, metrics)),
            Heading("Recipe"),
            Table(
                ("field", "value"),
                tuple(
                    (setting.title, setting.words(getattr(recipe, name)))
                    for name, setting in SETTINGS.items()
                ),
                words=("value",),
            ),
        ),
    )
    return f"{_header(run, network, data, metrics)}\n{page.markdown()}"


def _header(run: Run, network: str, data: str, metrics: dict[str, Any] | None) -> str:
    """The YAML header. Values are JSON, a subset of YAML, as names may contain any
    character."""
    recipe = run.recipe
    dataset = recipe.dataset if not Path(recipe.dataset).is_absolute() else data
    fields: dict[str, Any] = {
        "library_name": "keras",
        "pipeline_tag": "image-classification",
        "tags": ["kerasnets", "image-classification", recipe.network],
        "datasets": [dataset],
        "metrics": ["accuracy"],
    }
    if metrics:
        result = {
            "task": {"type": "image-classification"},
            "dataset": {"name": data, "type": dataset, "split": "test"},
            "metrics": [
                {"type": name, "value": metrics[name]}
                for name in ("accuracy", "macro_f1")
                if metrics.get(name) is not None
            ],
        }
        fields["model-index"] = [{"name": network, "results": [result]}]
    lines = [f"{name}: {json.dumps(value)}" for name, value in fields.items()]
    return "\n".join(["---", *lines, "---", ""])


def _loading(run: Run, exported: Path | None) -> list[Part]:
    name = run.path.resolve().name
    with_run = (
        "With the run folder: ",
        Code(f'kerasnets.load("{name}").predict("image.jpg").names'),
        ", or ",
        Code(f"kerasnets predict {name} image.jpg"),
        ".",
    )
    parts: list[Part] = [Paragraph(with_run)]
    if exported is not None:
        reader = _READERS.get(exported.suffix, _READERS[""])
        parts.append(Paragraph(reader(exported.name)))
    steps = preprocessing.read(run)
    if steps is None:
        return parts
    resized = f"Images: {steps.rule}."
    if exported is not None and exported.suffix != ".safetensors":
        return [*parts, f"{resized} The file expects them on its input images."]
    mean, std = (
        ", ".join(f"{v:.6g}" for v in part) for part in (steps.mean, steps.std)
    )
    return [
        *parts,
        f"{resized} Values from 0 to 255 are divided by 255; then the mean ({mean}) is "
        f"subtracted, and the result divided by the deviation ({std}).",
    ]


_READERS = {
    ".onnx": lambda name: (
        "Without kerasnets: ",
        Code(
            f'onnxruntime.InferenceSession("{name}").run(["probabilities"], '
            '{"images": images})'
        ),
        " with images as uint8 [N, H, W, C]. Class names are in the file's metadata.",
    ),
    ".pt2": lambda name: (
        "Without kerasnets: ",
        Code(f'torch.export.load("{name}").module()(images)'),
        " with images as uint8 [N, H, W, C]. Class names are in the extra file "
        "kerasnets.json.",
    ),
    ".safetensors": lambda name: (
        "In PyTorch: ",
        Code(f'model.load_state_dict(safetensors.torch.load_file("{name}"))'),
        " with torchvision's network of the same name, number of classes and channels. "
        "It gives logits.",
    ),
    ".xml": lambda name: (
        "Without kerasnets: ",
        Code(f'openvino.Core().compile_model("{name}")(images)'),
        " with images as uint8 [N, H, W, C].",
    ),
    ".tflite": lambda name: (
        "Without kerasnets: ",
        Code(f'tensorflow.lite.Interpreter("{name}")'),
        " with images as uint8 [N, H, W, C].",
    ),
    "": lambda name: (
        "Without kerasnets: ",
        Code(f'tensorflow.saved_model.load("{name}").serve(images)'),
        " with images as uint8 [N, H, W, C].",
    ),
}


def _data(run: Run, metrics: dict[str, Any] | None) -> list[Part]:
    recorded = begun_environment(run) or {}
    told = [
        f"{recorded[f'{split}_images']:,} {split} images"
        for split in ("train", "validation", "test")
        if recorded.get(f"{split}_images")
    ]
    names = recorded.get("class_names") or []
    parts: list[Part] = [f"{dataset_title(run.recipe.dataset)}: {', '.join(told)}."]
    if names:
        shown = ", ".join(map(str, names[:_LISTED]))
        more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
        parts.append(f"{len(names)} classes: {shown}{more}.")
    note = recorded.get("dataset_note") or (metrics or {}).get("dataset_note")
    return [*parts, f"Note: {note}."] if note else parts


def _results(run: Run, metrics: dict[str, Any] | None) -> list[Part]:
    if metrics is None:
        command = Code(f"kerasnets evaluate {run.path.resolve().name}")
        return [Paragraph(("The run is not evaluated; use ", command, "."))]
    images = metrics["images"]
    accuracy = metrics["accuracy"]
    interval = wilson_interval(round(accuracy * images), images)
    rows = [
        ("accuracy", f"{text.percent(accuracy)} ({INTERVAL}: {interval.percent()})"),
        ("top-5 accuracy", text.percent(metrics.get("top5_accuracy"))),
        ("macro F1", text.number(metrics.get("macro_f1"), ".4f")),
        ("cross-entropy", f"{metrics['loss']:.4f} nats per image"),
    ]
    parts: list[Part] = [
        f"On {images:,} test images:",
        Table(
            ("metric", "value"),
            tuple(row for row in rows if row[1]),
            words=("value",),
        ),
    ]
    try:
        classes = read_per_class(run.path / PER_CLASS.file)
    except RunError:
        return parts  # published without the table
    listed = [
        (
            one.name,
            *(f"{share:.4f}" for share in (one.precision, one.recall, one.f1)),
            f"{one.support:,}",
        )
        for one in sorted(classes, key=lambda one: one.f1)[:_LISTED]
    ]
    head = ("class", "precision", "recall", "F1", "images")
    return [*parts, Heading("By class, hardest first", 3), Table(head, tuple(listed))]


def _limits(run: Run, metrics: dict[str, Any] | None) -> list[str]:
    limits = [
        "The network assigns one of its classes to any image, even if it shows none of "
        "them.",
        "The figures hold for images like the test images; others were not measured.",
        "Its confidence is not calibrated.",
    ]
    if metrics and metrics.get("collapsed"):
        one = metrics["collapsed"]
        limits.insert(
            0,
            f"It has collapsed: {text.percent(one['share'])} of its predictions are "
            f"the class {one['class']}.",
        )
    if metrics and metrics.get("data_changed"):
        limits.append("The data has changed since the network was trained.")
    if run.recipe.validation == "test":
        limits.append(
            "The test images were monitored during training: the figures may be "
            "optimistic."
        )
    return limits
