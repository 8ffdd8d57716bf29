"""Claims of the paper's text, checked against its tables, the networks and our runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kerasnets.catalog.datasets import DATASETS
from kerasnets.catalog.networks import NETWORKS
from kerasnets.catalog.titles import dataset_title, network_title
from kerasnets.paper.outcomes import Cell, elsewhere
from kerasnets.paper.rows import PAPER, PaperRow
from kerasnets.paper.verdict import paper_interval, scaled_down
from kerasnets.statistics import INTERVAL
from kerasnets.text import points, spaced_percent

CONFIRMED = "confirmed"
CONTRADICTED = "contradicted"
UNCONFIRMED = "could not be confirmed"

# Inputs of the last dense layer, to compute the parameters for other numbers of
# classes.
_LAST_INPUTS = {"vgg19": 4096, "resnet34": 512, "densenet121": 1024}
_IMAGENET_CLASSES = 1000

# The three networks that the paper compares on each dataset.
_MNIST = ("mnist-vgg19-modified", "mnist-resnet34-modified", "mnist-densenet121")
_CIFAR10 = (
    "cifar10-vgg19-modified",
    "cifar10-resnet34-modified",
    "cifar10-densenet121",
)


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
    excels = (
        "Though all three models perform excellently on both datasets, ResNet-34 "
        "with dropout excels every time ..."
    )
    return (
        _vgg_parameters(),
        _resnet_share(),
        _densenet_parameters(),
        _densenet_dropout(),
        _floor("mnist", 98),
        _floor("cifar10", 87),
        _losses(cells),
        _why_vgg_fails(ours.get("mnist-vgg19-original")),
        _vgg_parameters_trained(),
        _dropout_gain(ours),
        _slowest(
            ours,
            "V.A",
            "Despite having less number of parameters to train than VGG-19 this took "
            "~17 min to train which is more than the previous model and shows the "
            "depth complexity.",
            _MNIST[:2],
        ),
        _slowest(
            ours,
            "V.A",
            "... it took around 48 minutes to run for 15 epochs which is way much "
            "greater than the other two.",
            _MNIST,
        ),
        _slow_start(ours),
        _best(
            "Resnet-34 with dropout layer achieved an accuracy of 91.18% slightly "
            "greater than the original model-90.01%.",
            "cifar10-resnet34-modified",
            ("cifar10-resnet34-original", "cifar10-resnet34-modified"),
        ),
        _slowest(
            ours,
            "V.B",
            "The model was trained with 40 epochs running over the highest time of "
            "~90 minutes ...",
            _CIFAR10,
        ),
        _best(f"{excels} (MNIST)", "mnist-resnet34-modified", _MNIST),
        _best(f"{excels} (CIFAR-10)", "cifar10-resnet34-modified", _CIFAR10),
    )


def _checked(section: str, sentence: str, holds: bool, finding: str) -> Claim:
    """A claim that is either right or wrong."""
    status = CONFIRMED if holds else CONTRADICTED
    return Claim(section, sentence, status, finding)


def parameters(network: str, *, batch_norm: bool = True, classes: int = 10) -> int:
    """Trainable parameters of one of the paper's networks for RGB images."""
    of_ten = NETWORKS[network].parameters[batch_norm]
    return of_ten + (classes - 10) * (_LAST_INPUTS[network] + 1)


def _millions(count: int) -> str:
    return f"{count / 1e6:.1f} million"


def _vgg_parameters() -> Claim:
    count = parameters("vgg19", batch_norm=False, classes=_IMAGENET_CLASSES)
    return _checked(
        "III.A",
        "... there are in total of 144 million parameters to train.",
        round(count / 1e6) == 144,
        f"VGG-19 for ImageNet's {_IMAGENET_CLASSES:,} classes has {_millions(count)}.",
    )


def _vgg_parameters_trained() -> Claim:
    count = parameters("vgg19")
    return _checked(
        "V.A",
        "Additionally, to train around 144 million parameters, custom VGG-19 took "
        "around ~ 14 minute.",
        round(count / 1e6) == 144,
        f"With the ten classes of MNIST and batch norm {_millions(count)} are trained.",
    )


def _resnet_share() -> Claim:
    of_ten = parameters("resnet34") / parameters("vgg19")
    resnet = parameters("resnet34", classes=_IMAGENET_CLASSES)
    vgg = parameters("vgg19", batch_norm=False, classes=_IMAGENET_CLASSES)
    of_imagenet = resnet / vgg
    return _checked(
        "III.A",
        "... when compared to the total parameters with the VGG model it still has "
        "only 18% of it ...",
        18 in (round(100 * of_ten), round(100 * of_imagenet)),
        f"ResNet-34 has {of_ten:.1%} of VGG-19's parameters with ten classes, "
        f"{of_imagenet:.1%} with ImageNet's. 18 % is its share of VGG-19's "
        "multiply-adds on 224×224 images: 3.6 of 19.6 billion (He et al. 2016, "
        "section 3.3).",
    )


def _densenet_parameters() -> Claim:
    imagenet = parameters("densenet121", classes=_IMAGENET_CLASSES)
    of_ten = parameters("densenet121")
    return _checked(
        "III.A",
        "It requires around 8 million parameters to train which is much less than "
        "other networks.",
        round(imagenet / 1e6) == 8,
        f"DenseNet-121 for ImageNet's classes has {_millions(imagenet)}; with ten "
        f"classes {_millions(of_ten)} are trained.",
    )


def _densenet_dropout() -> Claim:
    rate = NETWORKS["densenet121"].dropout
    return _checked(
        "III.A",
        "Additionally, it incorporates both batch normalization and dropouts ...",
        rate > 0,
        f"torchvision's DenseNet-121, which is used unchanged, has dropout {rate:g}.",
    )


def _floor(dataset: str, percent: float) -> Claim:
    rows = [row for row in PAPER.values() if row.recipe.dataset == dataset]
    lowest = min(rows, key=lambda row: row.test_accuracy)
    return _checked(
        "IV.G",
        f"All the models achieve a high accuracy of {percent:g}% or higher ... for "
        f"{dataset_title(dataset)} datasets.",
        lowest.test_accuracy >= percent,
        f"The lowest in its own table is {lowest.label}, {lowest.test_accuracy:g} %.",
    )


def _losses(cells: Sequence[Cell]) -> Claim:
    finding = "Its tables print no loss."
    losses = [one.metrics["loss"] for cell in cells for one in cell.finished]
    if losses:
        finding += (
            f" Test losses of our {len(losses)} runs{elsewhere(cells)}: "
            f"{min(losses):.3f} to {max(losses):.3f} nats."
        )
    return Claim("IV.G", "... with loss of almost zero ...", UNCONFIRMED, finding)


def _why_vgg_fails(cell: Cell | None) -> Claim:
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
        "The original VGG-19 model yields a very low performance with an accuracy of "
        "11.35%. This can be due to many reasons such as incorrect initialization or "
        "overfitting.",
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
    return _checked(
        "V.A",
        "... the introduction of a dropout of 0.2 in the last fully connected layer "
        "slightly improved its performance by around 0.04%.",
        round(gain, 2) == 0.04,
        finding,
    )


def _best(sentence: str, best: str, rows: Sequence[str]) -> Claim:
    """A claim that one row is the best of several, judged by the paper's own
    numbers."""
    others = [row for row in rows if row != best]
    rival = max(others, key=lambda row: PAPER[row].test_accuracy)
    ahead = PAPER[best].test_accuracy - PAPER[rival].test_accuracy
    images = DATASETS[PAPER[best].recipe.dataset].test
    interval, of_rival = paper_interval(best), paper_interval(rival)
    if ahead <= 0:
        status = CONTRADICTED
    elif interval.overlaps(of_rival):
        status = UNCONFIRMED
    else:
        status = CONFIRMED
    return Claim(
        "V.B",
        sentence,
        status,
        f"Ahead of {PAPER[rival].label} by {ahead:.2f} points, "
        f"{round(ahead / 100 * images)} of {images:,} test images; the {INTERVAL}s "
        f"are {interval.percent()} and {of_rival.percent()}. One run each.",
    )


def _slowest(
    ours: Mapping[str, Cell], section: str, sentence: str, rows: Sequence[str]
) -> Claim:
    """A claim that the last of some rows takes longest, judged by our own times."""

    def listed(speeds: Mapping[str, float]) -> str:
        return ", ".join(f"{_network(row)} {speeds[row]:,.0f}" for row in rows)

    there = {row: _paper_images_per_s(PAPER[row]) for row in rows}
    finding = f"Images trained a second there, from its times: {listed(there)}."
    here = {row: speed for row in rows if (speed := _images_per_s(ours.get(row)))}
    if len(here) < len(rows):
        return Claim(section, sentence, UNCONFIRMED, finding)
    machine = ours[rows[-1]].finished[0].environment
    device = machine.get("device_name", "unknown device")
    finding += f" Here ({device}): {listed(here)}."
    # A different order on different hardware does not contradict theirs.
    slowest = min(here, key=here.__getitem__) == rows[-1]
    return Claim(section, sentence, CONFIRMED if slowest else UNCONFIRMED, finding)


def _slow_start(ours: Mapping[str, Cell]) -> Claim:
    """The claim that VGG-19 starts slowest (Figures 7 and 8)."""
    cells = [ours[row] for row in _MNIST if row in ours]
    after = {
        cell.row: one.monitored.first
        for cell in cells
        for one in cell.finished[:1]
        if one.monitored
    }
    finding, status = "Our runs of the three networks are not finished.", UNCONFIRMED
    if len(after) == len(_MNIST):
        shares = ", ".join(
            f"{_network(row)} {spaced_percent(share)}" for row, share in after.items()
        )
        where = elsewhere(cells)
        finding = f"Validation accuracy after our first epoch{where}: {shares}."
        if any(scaled_down(cell.row, cell.recipe) for cell in cells):
            finding += " Scaled-down epochs have fewer steps than the paper's."
        elif min(after, key=after.__getitem__) == _MNIST[0]:
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


def _paper_images_per_s(paper: PaperRow) -> float:
    assert paper.minutes is not None
    images = paper.recipe.epochs * DATASETS[paper.recipe.dataset].train
    return images / (60 * paper.minutes)


def _images_per_s(cell: Cell | None) -> float | None:
    """Training images per second of a finished run on the paper's dataset, including
    the time of validation."""
    if cell is None or cell.recipe.dataset != cell.paper.recipe.dataset:
        return None
    for one in cell.finished:
        if one.environment.get("train_images") and one.train_s:
            return one.epochs * one.environment["train_images"] / one.train_s
    return None
