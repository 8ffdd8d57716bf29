"""Claims of the paper's text, checked against its tables, the networks and our runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kerasnets.catalog.datasets import DATASETS
from kerasnets.catalog.networks import NETWORKS
from kerasnets.catalog.titles import dataset_title, network_title
from kerasnets.paper.outcomes import Cell, elsewhere
from kerasnets.paper.rows import PAPER
from kerasnets.paper.verdict import scaled_down
from kerasnets.statistics import INTERVAL, Interval, accuracy_interval
from kerasnets.text import points, spaced_percent

CONFIRMED = "confirmed"
CONTRADICTED = "contradicted"
UNCONFIRMED = "could not be confirmed"

# Inputs of the last dense layer, to compute the parameters for other numbers of
# classes.
_LAST_INPUTS = {"vgg19": 4096, "resnet34": 512, "densenet121": 1024}
_IMAGENET_CLASSES = 1000


@dataclass(frozen=True)
class Claim:
    """One sentence of the paper.

    Attributes:
        section: section of the paper.
        sentence: verbatim quote; "..." marks omissions.
        status: `CONFIRMED`, `CONTRADICTED` or `UNCONFIRMED`.
        finding: the computed result and its basis.
    """

    section: str
    sentence: str
    status: str
    finding: str


def claims(cells: Sequence[Cell] = ()) -> tuple[Claim, ...]:
    """Every claim that can be checked, in the paper's order.

    Args:
        cells: our results; without them, claims that need a run are unconfirmed.
    """
    ours = {cell.row: cell for cell in cells}
    return (
        _vgg_parameters(),
        _resnet_share(),
        _densenet_parameters(),
        _densenet_dropout(),
        _floor("mnist", 98),
        _floor("cifar10", 87),
        _losses(ours),
        _why_vgg_fails(ours),
        _vgg_parameters_trained(),
        _dropout_gain(ours),
        _slower(
            "V.A",
            "Despite having less number of parameters to train than VGG-19 this took "
            "~17 min to train which is more than the previous model and shows the "
            "depth complexity.",
            "mnist-resnet34-modified",
            ("mnist-vgg19-modified",),
            ours,
        ),
        _slower(
            "V.A",
            "... it took around 48 minutes to run for 15 epochs which is way much "
            "greater than the other two.",
            "mnist-densenet121",
            ("mnist-vgg19-modified", "mnist-resnet34-modified"),
            ours,
        ),
        _slow_start(ours),
        _pair(
            "V.B",
            "Resnet-34 with dropout layer achieved an accuracy of 91.18% slightly "
            "greater than the original model-90.01%.",
            "cifar10-resnet34-modified",
            ("cifar10-resnet34-original",),
        ),
        _slower(
            "V.B",
            "The model was trained with 40 epochs running over the highest time of "
            "~90 minutes ...",
            "cifar10-densenet121",
            ("cifar10-vgg19-modified", "cifar10-resnet34-modified"),
            ours,
        ),
        _pair(
            "V.B",
            "Though all three models perform excellently on both datasets, ResNet-34 "
            "with dropout excels every time ... (MNIST)",
            "mnist-resnet34-modified",
            ("mnist-vgg19-modified", "mnist-densenet121"),
        ),
        _pair(
            "V.B",
            "Though all three models perform excellently on both datasets, ResNet-34 "
            "with dropout excels every time ... (CIFAR-10)",
            "cifar10-resnet34-modified",
            ("cifar10-vgg19-modified", "cifar10-densenet121"),
        ),
    )


def parameters(network: str, *, batch_norm: bool, classes: int = 10) -> int:
    """Trainable parameters of one of the paper's networks for RGB images."""
    of_ten = NETWORKS[network].parameters[batch_norm]
    return of_ten + (classes - 10) * (_LAST_INPUTS[network] + 1)


def _millions(count: int) -> str:
    return f"{count / 1e6:.1f} million"


def _vgg_parameters() -> Claim:
    count = parameters("vgg19", batch_norm=False, classes=_IMAGENET_CLASSES)
    return Claim(
        "III.A",
        "... there are in total of 144 million parameters to train.",
        CONFIRMED if round(count / 1e6) == 144 else CONTRADICTED,
        f"VGG-19 for ImageNet's {_IMAGENET_CLASSES:,} classes has {_millions(count)}.",
    )


def _vgg_parameters_trained() -> Claim:
    count = parameters("vgg19", batch_norm=True)
    return Claim(
        "V.A",
        "Additionally, to train around 144 million parameters, custom VGG-19 took "
        "around ~ 14 minute.",
        CONFIRMED if round(count / 1e6) == 144 else CONTRADICTED,
        f"With the ten classes of MNIST and batch norm {_millions(count)} are trained.",
    )


def _resnet_share() -> Claim:
    of_ten = parameters("resnet34", batch_norm=True) / parameters(
        "vgg19", batch_norm=True
    )
    of_imagenet = parameters(
        "resnet34", batch_norm=True, classes=_IMAGENET_CLASSES
    ) / parameters("vgg19", batch_norm=False, classes=_IMAGENET_CLASSES)
    same = round(100 * of_ten) == 18 or round(100 * of_imagenet) == 18
    return Claim(
        "III.A",
        "... when compared to the total parameters with the VGG model it still has "
        "only 18% of it ...",
        CONFIRMED if same else CONTRADICTED,
        f"ResNet-34 has {of_ten:.1%} of VGG-19's parameters with ten classes, "
        f"{of_imagenet:.1%} with ImageNet's. 18 % is its share of VGG-19's "
        "multiply-adds on 224×224 images: 3.6 of 19.6 billion (He et al. 2016, "
        "section 3.3).",
    )


def _densenet_parameters() -> Claim:
    imagenet = parameters("densenet121", batch_norm=True, classes=_IMAGENET_CLASSES)
    of_ten = parameters("densenet121", batch_norm=True)
    return Claim(
        "III.A",
        "It requires around 8 million parameters to train which is much less than "
        "other networks.",
        CONFIRMED if round(imagenet / 1e6) == 8 else CONTRADICTED,
        f"DenseNet-121 for ImageNet's classes has {_millions(imagenet)}; with ten "
        f"classes {_millions(of_ten)} are trained.",
    )


def _densenet_dropout() -> Claim:
    rate = NETWORKS["densenet121"].dropout
    return Claim(
        "III.A",
        "Additionally, it incorporates both batch normalization and dropouts ...",
        CONFIRMED if rate > 0 else CONTRADICTED,
        f"torchvision's DenseNet-121, which is used unchanged, has dropout {rate:g}.",
    )


def _floor(dataset: str, percent: float) -> Claim:
    rows = [row for row in PAPER.values() if row.recipe.dataset == dataset]
    lowest = min(rows, key=lambda row: row.test_accuracy)
    holds = lowest.test_accuracy >= percent
    return Claim(
        "IV.G",
        f"All the models achieve a high accuracy of {percent:g}% or higher ... for "
        f"{dataset_title(dataset)} datasets.",
        CONFIRMED if holds else CONTRADICTED,
        f"The lowest in its own table is {lowest.label}, {lowest.test_accuracy:g} %.",
    )


def _losses(ours: Mapping[str, Cell]) -> Claim:
    finding = "Its tables print no loss."
    losses = [
        one.metrics["loss"]
        for cell in ours.values()
        for one in cell.finished
        if one.metrics
    ]
    if losses:
        finding += (
            f" Test losses of our {len(losses)} runs"
            f"{elsewhere(list(ours.values()))}: {min(losses):.3f} to "
            f"{max(losses):.3f} nats."
        )
    return Claim("IV.G", "... with loss of almost zero ...", UNCONFIRMED, finding)


def _why_vgg_fails(ours: Mapping[str, Cell]) -> Claim:
    paper = PAPER["mnist-vgg19-original"].test_accuracy
    cell = ours.get("mnist-vgg19-original")
    if cell is None or cell.accuracy is None:
        finding = "It was not run."
    elif cell.collapsed:
        finding = (
            f"Ours{elsewhere([cell])} calls (almost) every image {cell.collapsed!r}, "
            f"test accuracy {spaced_percent(cell.accuracy)}: a network that tells "
            "nothing apart has not overfitted. Which change repairs it, 'kerasnets "
            "diagnose' tests."
        )
    else:
        finding = (
            f"Ours{elsewhere([cell])} did not collapse: test accuracy "
            f"{spaced_percent(cell.accuracy)}."
        )
    return Claim(
        "V.A",
        f"The original VGG-19 model yields a very low performance with an accuracy of "
        f"{paper}%. This can be due to many reasons such as incorrect initialization "
        "or overfitting.",
        UNCONFIRMED,
        finding,
    )


def _dropout_gain(ours: Mapping[str, Cell]) -> Claim:
    with_, without = "mnist-resnet34-modified", "mnist-resnet34-original"
    gain = PAPER[with_].test_accuracy - PAPER[without].test_accuracy
    finding = (
        f"Its Table 1 says {PAPER[with_].test_accuracy} against "
        f"{PAPER[without].test_accuracy}: {gain:.2f} points. The modified network also "
        "has another initialization, so the gain is not dropout's alone."
    )
    cells = [cell for row in (with_, without) if (cell := ours.get(row))]
    found = [cell.accuracy for cell in cells if cell.accuracy is not None]
    if len(found) == 2:
        where = elsewhere(cells)
        finding += f" Our runs{where}: {points(found[0] - found[1])} points."
    return Claim(
        "V.A",
        "... the introduction of a dropout of 0.2 in the last fully connected layer "
        "slightly improved its performance by around 0.04%.",
        CONFIRMED if round(gain, 2) == 0.04 else CONTRADICTED,
        finding,
    )


def _pair(section: str, sentence: str, best: str, others: tuple[str, ...]) -> Claim:
    """A claim that one row is better than others, judged by the paper's own
    numbers."""
    known = {row: _paper_interval(row) for row in (best, *others)}
    rival = max(others, key=lambda row: PAPER[row].test_accuracy)
    ahead = PAPER[best].test_accuracy - PAPER[rival].test_accuracy
    images = DATASETS[PAPER[best].recipe.dataset].test
    if ahead <= 0:
        status = CONTRADICTED
    elif known[best].overlaps(known[rival]):
        status = UNCONFIRMED
    else:
        status = CONFIRMED
    return Claim(
        section,
        sentence,
        status,
        f"Ahead of {PAPER[rival].label} by {ahead:.2f} points, "
        f"{round(ahead / 100 * images)} of {images:,} test images; the {INTERVAL}s "
        f"are {known[best].percent()} and {known[rival].percent()}. One run each.",
    )


def _paper_interval(row: str) -> Interval:
    paper = PAPER[row]
    images = DATASETS[paper.recipe.dataset].test
    return accuracy_interval([paper.test_accuracy / 100], images)


def _slower(
    section: str,
    sentence: str,
    slow: str,
    others: tuple[str, ...],
    ours: Mapping[str, Cell],
) -> Claim:
    """A claim that a network takes longest, judged by our own times."""
    rows = (*others, slow)
    there = ", ".join(
        f"{_network(row)} {_paper_images_per_s(row):,.0f}" for row in rows
    )
    finding = f"Images trained a second there, from its times: {there}."
    speeds = {row: _images_per_s(ours.get(row)) for row in rows}
    known = {row: speed for row, speed in speeds.items() if speed}
    if len(known) < len(rows):
        return Claim(section, sentence, UNCONFIRMED, finding)
    slowest = min(known, key=known.__getitem__)
    here = ", ".join(f"{_network(row)} {speed:,.0f}" for row, speed in known.items())
    finding += f" Here ({_device(ours[slow])}): {here}."
    # A different order on different hardware does not contradict theirs.
    status = CONFIRMED if slowest == slow else UNCONFIRMED
    return Claim(section, sentence, status, finding)


def _slow_start(ours: Mapping[str, Cell]) -> Claim:
    """The claim that VGG-19 starts slowest (Figures 7 and 8)."""
    rows = ("mnist-vgg19-modified", "mnist-resnet34-modified", "mnist-densenet121")
    after = {
        row: one.monitored.first
        for row in rows
        if row in ours
        for one in ours[row].finished[:1]
        if one.monitored
    }
    finding, status = "Our runs of the three networks are not finished.", UNCONFIRMED
    if len(after) == len(rows):
        shares = ", ".join(
            f"{_network(row)} {spaced_percent(after[row])}" for row in rows
        )
        where = elsewhere([ours[row] for row in rows])
        finding = f"Validation accuracy after our first epoch{where}: {shares}."
        scales = {scaled_down(row, ours[row].recipe) for row in rows} - {""}
        if scales:
            finding += " Scaled-down epochs have fewer steps than the paper's."
        elif min(after, key=after.__getitem__) == rows[0]:
            status = CONFIRMED
    return Claim(
        "V.A",
        "... in the first few epochs VGG-19's accuracy is too low making the model "
        "gradually learn and then it improves. This has not been the case with the "
        "other two ...",
        status,
        finding,
    )


def _network(row: str) -> str:
    return network_title(PAPER[row].recipe.network)


def _paper_images_per_s(row: str) -> float:
    paper = PAPER[row]
    assert paper.minutes is not None
    images = paper.recipe.epochs * DATASETS[paper.recipe.dataset].train
    return images / (60 * paper.minutes)


def _images_per_s(cell: Cell | None) -> float | None:
    """Training images per second of a finished run on the paper's dataset, including
    the time of validation."""
    if cell is None or cell.recipe.dataset != PAPER[cell.row].recipe.dataset:
        return None
    for one in cell.finished:
        if one.environment and one.train_s:
            return one.epochs * one.environment["train_images"] / one.train_s
    return None


def _device(cell: Cell) -> str:
    environment = cell.finished[0].environment or {}
    return str(environment.get("device_name", "unknown device"))
