"""The rule by which a result agrees with the paper's, and the paper's text checked."""

import dataclasses
import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from kerasnets.networks import build_model
from kerasnets.paper.claims import CONFIRMED, CONTRADICTED, UNCONFIRMED, claims
from kerasnets.paper.claims import parameters as counted
from kerasnets.paper.outcomes import (
    BEGUN,
    FAILED,
    FINISHED,
    NOT_BEGUN,
    Cell,
    Monitored,
    Outcome,
)
from kerasnets.paper.plan import Study
from kerasnets.paper.references import REFERENCES
from kerasnets.paper.rows import PAPER
from kerasnets.paper.scales import SCALES, recipe_at
from kerasnets.paper.verdict import (
    AGREES,
    DIFFERS,
    NOT_COMPARABLE,
    judge,
    scaled_down,
)
from kerasnets.statistics import accuracy_interval, over_seeds

percent = st.floats(0, 100)
accuracies = st.lists(percent, min_size=2, max_size=9)


def study(tmp_path, scale="paper", **assumptions) -> Study:
    return Study(tmp_path, scale, 1, "2026-01-01T00:00:00+00:00", assumptions)


def finished(row: str, accuracy: float, seed: int = 0, **metrics) -> Outcome:
    found = {
        "accuracy": accuracy / 100,
        "images": 10000,
        "loss": 0.5,
        "collapsed": None,
        "data_changed": False,
        "dataset_note": "",
        **metrics,
    }
    environment = {"train_images": 54000, "device_name": "a machine"}
    return Outcome(
        row, seed, FINISHED, 20, metrics=found, environment=environment, train_s=60.0
    )


def cell(study: Study, row: str, outcomes: list[Outcome]) -> Cell:
    return Cell(row, study.recipe(row), tuple(outcomes))


def wilson(accuracy: float, images: int):
    """Of an accuracy in percent."""
    return accuracy_interval([accuracy / 100], images)


@given(percent, st.integers(1, 20000))
def test_wilson_is_scipys_and_holds_the_share(accuracy, images):
    found = wilson(accuracy, images)
    assert 0 <= found.low <= found.high <= 1
    right = round(accuracy / 100 * images)
    assert found.low - 1e-9 <= right / images <= found.high + 1e-9


def test_wilson_by_hand():
    # 9,906 of 10,000: (p + z²/2n ± z √(p(1-p)/n + z²/4n²)) / (1 + z²/n)
    z, n, p = stats.norm.ppf(0.975), 10000, 0.9906
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * (p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5 / (1 + z * z / n)
    found = wilson(99.06, n)
    assert found.low == pytest.approx(middle - half)
    assert found.high == pytest.approx(middle + half)


@given(accuracies)
def test_the_t_interval_is_scipys_within_0_to_100(values):
    assume(max(values) - min(values) > 1e-6)
    found = over_seeds([value / 100 for value in values])
    mean, error = sum(values) / len(values), stats.sem(values)
    low, high = stats.t.interval(0.95, len(values) - 1, mean, error)
    assert 100 * found.low == pytest.approx(max(0, low), abs=1e-6)
    assert 100 * found.high == pytest.approx(min(100, high), abs=1e-6)
    assert found.kind == "t"


@given(percent)
def test_the_same_number_agrees(accuracy):
    paper = wilson(accuracy, 10000)
    assert judge(paper, accuracy_interval([accuracy / 100], 10000)).outcome == AGREES


@given(percent, percent)
def test_the_rule_does_not_care_which_is_ours(one, other):
    a, b = wilson(one, 10000), wilson(other, 10000)
    assert judge(a, b).outcome == judge(b, a).outcome


@given(st.floats(50, 100), st.floats(0, 50), st.floats(0, 50))
def test_a_larger_difference_never_agrees_where_a_smaller_differs(paper, one, other):
    near, far = sorted((one, other))
    known = wilson(paper, 10000)
    of_near, of_far = (
        judge(known, wilson(paper - lower, 10000)).outcome for lower in (near, far)
    )
    assert not (of_near == DIFFERS and of_far == AGREES)


@given(percent)
def test_no_obstacle_is_ever_overruled(accuracy):
    paper = wilson(accuracy, 10000)
    verdict = judge(paper, paper, "scaled down: 1 of 20 epochs")
    assert verdict.outcome == NOT_COMPARABLE
    assert "1 of 20 epochs" in verdict.reason


@pytest.mark.parametrize("row", PAPER)
@pytest.mark.parametrize("scale", [name for name in SCALES if name != "paper"])
def test_a_scaled_down_row_is_never_a_reproduction(tmp_path, row, scale):
    paper = PAPER[row].test_accuracy
    found = cell(study(tmp_path, scale), row, [finished(row, paper)])
    assert found.verdict.outcome == NOT_COMPARABLE
    assert found.verdict.reason.startswith("scaled down: ")
    assert found.difference == pytest.approx(0)


@pytest.mark.parametrize("row", PAPER)
def test_the_papers_protocol_is_judged(tmp_path, row):
    paper = PAPER[row].test_accuracy
    same = cell(study(tmp_path), row, [finished(row, paper)])
    assert same.verdict.outcome == AGREES
    lower = cell(study(tmp_path), row, [finished(row, paper - 5)])
    assert lower.verdict.outcome == DIFFERS
    assert lower.difference == pytest.approx(-0.05)


def test_what_is_known_of_the_images_stands_beside_the_verdict(tmp_path):
    row, note = "cifar10-densenet121", "the images were re-encoded as JPEG"
    found = cell(study(tmp_path), row, [finished(row, 80, dataset_note=note)])
    assert found.verdict.outcome == DIFFERS
    assert found.verdict.reason.endswith(note)


def test_what_is_left_out_is_named():
    quick = recipe_at("quick", "mnist-densenet121")
    assert scaled_down("mnist-densenet121", quick) == (
        "scaled down: 6,000 of 60,000 training images, 5 of 15 epochs"
    )
    other = dataclasses.replace(recipe_at("paper", "mnist-densenet121"), batch_size=64)
    assert scaled_down("mnist-densenet121", other) == "scaled down: batch size 64"


def test_what_the_paper_leaves_unsaid_may_differ():
    row = "mnist-densenet121"
    recipe = recipe_at("paper", row, seed=3, momentum=0.0, validation="test")
    assert scaled_down(row, recipe) == ""
    earlier = dataclasses.replace(PAPER[row].recipe, initial_weights="backend")
    assert scaled_down(row, earlier) == ""


def test_several_seeds_give_a_mean_and_a_t_interval(tmp_path):
    row = "mnist-densenet121"
    runs = [finished(row, value, seed) for seed, value in enumerate((98.9, 99.0, 99.1))]
    found = cell(study(tmp_path), row, runs)
    assert found.accuracy == pytest.approx(0.99)
    assert found.interval.kind == "t"
    assert found.interval == over_seeds([x / 100 for x in (98.9, 99.0, 99.1)])


def test_without_a_result_the_reason_is_said(tmp_path):
    row = "mnist-densenet121"
    none = cell(study(tmp_path), row, [Outcome(row, 0, NOT_BEGUN)])
    assert str(none.verdict) == "not comparable: not run"
    seen = Monitored("validation", best_epoch=2, first=0.95, best=0.975, last=0.9625)
    begun = [Outcome(row, 0, BEGUN, 3, monitored=seen), Outcome(row, 1, NOT_BEGUN)]
    assert cell(study(tmp_path), row, begun).verdict.reason == (
        "not run to its end: 3 of 15 epochs, validation 96.25 %"
    )
    first = cell(study(tmp_path), row, [Outcome(row, 0, BEGUN)])
    assert first.verdict.reason == "not run to its end: 0 of 15 epochs"
    failed = Outcome(row, 0, FAILED, failure="the loss became nan")
    assert "the loss became nan" in cell(study(tmp_path), row, [failed]).verdict.reason
    changed = finished(row, 98.96, data_changed=True)
    verdict = cell(study(tmp_path), row, [changed]).verdict
    assert verdict.outcome == NOT_COMPARABLE and "data changed" in verdict.reason


@pytest.mark.parametrize("network", ["resnet34", "densenet121"])
def test_parameters_are_those_of_the_network(network):
    model = build_model(network, (32, 32, 3), num_classes=1000)
    built = sum(math.prod(weight.shape) for weight in model.trainable_weights)
    assert counted(network, batch_norm=True, classes=1000) == built


def by_sentence(part: str, cells=()):
    (found,) = [claim for claim in claims(cells) if part in claim.sentence]
    return found


def test_the_papers_text_against_its_own_tables():
    dropout = by_sentence("around 0.04%")
    assert dropout.status == CONTRADICTED
    assert "0.87 points" in dropout.finding
    share = by_sentence("only 18%")
    assert share.status == CONTRADICTED
    assert "15.2%" in share.finding
    assert by_sentence("in total of 144 million").status == CONFIRMED
    trained = by_sentence("custom VGG-19 took")
    assert trained.status == CONTRADICTED
    assert "139.6 million" in trained.finding
    assert by_sentence("98% or higher").status == CONTRADICTED
    assert by_sentence("87% or higher").status == CONFIRMED
    assert by_sentence("excels every time ... (MNIST)").status == UNCONFIRMED
    assert by_sentence("excels every time ... (CIFAR-10)").status == CONFIRMED


def test_our_runs_enter_the_claims(tmp_path):
    rows = {"mnist-resnet34-modified": 99.0, "mnist-resnet34-original": 98.5}
    cells = [
        cell(study(tmp_path), row, [finished(row, value)])
        for row, value in rows.items()
    ]
    assert "Our runs: +0.50 points" in by_sentence("around 0.04%", cells).finding
    row = "mnist-vgg19-original"
    collapsed = {"class": "1", "share": 1.0}
    one = cell(study(tmp_path), row, [finished(row, 11.35, collapsed=collapsed)])
    assert "every image '1'" in by_sentence("very low performance", [one]).finding


def test_the_slowest_network_is_confirmed_only_where_it_is_so_here(tmp_path):
    def timed(row: str, seconds: float):
        run = dataclasses.replace(finished(row, 99.0), train_s=seconds)
        return cell(study(tmp_path), row, [run])

    vgg, resnet = "mnist-vgg19-modified", "mnist-resnet34-modified"
    slower = by_sentence("~17 min", [timed(vgg, 10), timed(resnet, 20)])
    assert slower.status == CONFIRMED
    faster = by_sentence("~17 min", [timed(vgg, 20), timed(resnet, 10)])
    assert faster.status == UNCONFIRMED
    assert "a machine" in faster.finding


def test_a_slow_start_is_confirmed_at_the_papers_scale_only(tmp_path):
    def begun(row: str, first: float, scale: str):
        seen = Monitored("validation", best_epoch=9, first=first, best=0.99, last=0.99)
        run = dataclasses.replace(finished(row, 99.0), monitored=seen)
        return cell(study(tmp_path, scale), row, [run])

    def found(vgg: float, scale: str):
        firsts = {"vgg19-modified": vgg, "resnet34-modified": 0.9, "densenet121": 0.8}
        cells = [begun(f"mnist-{r}", first, scale) for r, first in firsts.items()]
        return by_sentence("first few epochs", cells)

    assert found(0.5, "paper").status == CONFIRMED
    assert "VGG-19 50.00 %, ResNet-34 90.00 %" in found(0.5, "paper").finding
    assert found(0.85, "paper").status == UNCONFIRMED
    scaled = found(0.5, "quick")
    assert scaled.status == UNCONFIRMED and "fewer steps" in scaled.finding
    assert by_sentence("first few epochs").status == UNCONFIRMED


def test_every_reference_names_its_source():
    for reference in REFERENCES:
        assert 90 < reference.accuracy < 100
        assert reference.source.startswith("github.com/")
