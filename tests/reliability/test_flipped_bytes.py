"""A flipped byte in any file of a run folder: found, and never believed."""

import random
import shutil

import pytest
import small_run
from test_resume import interrupted_fit

from kerasnets import runs
from kerasnets.errors import KerasnetsError
from kerasnets.evaluation.evaluate import evaluate
from kerasnets.figures import draw_evaluation, draw_training
from kerasnets.runs.status import state
from kerasnets.storage import digests
from kerasnets.training.checkpointing import Interval
from kerasnets.training.drill import fingerprint

UNRECORDED = ("run.log", ".lock", ".digests.lock")
NEEDED = ("recipe.json", "environment.json")  # what training cannot make again


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that was never interrupted, evaluated and drawn."""
    run = small_run.fit(tmp_path_factory.mktemp("whole") / "run")
    evaluate(run, device="cpu")
    draw_training(run)
    draw_evaluation(run)
    return run


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """One that was interrupted inside its second epoch."""
    path = tmp_path_factory.mktemp("parts") / "run"
    interrupted_fit(path, 9, checkpoint_every=Interval(steps=1))
    return runs.load(path)


def files(run):
    return sorted(
        path.relative_to(run.path).as_posix()
        for path in run.path.rglob("*")
        if path.is_file() and path.name not in UNRECORDED
    )


def flipped(run, folder, times):
    """Copies of the run, with one byte flipped in each, and the file it is in."""
    places = random.Random(0)
    for name in files(run):
        for _ in range(times):
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(run.path, folder)
            content = bytearray((folder / name).read_bytes())
            content[places.randrange(len(content))] ^= places.randrange(1, 256)
            (folder / name).write_bytes(content)
            found = digests.verify(folder)
            assert found is not None
            assert [(one.name, one.what) for one in found.findings] == [
                (name, "damaged")
            ]
            assert state(folder).why.count("\n") == 0
            yield name


def refusal(action) -> str:
    """The one line with which `action` refuses, or ""."""
    try:
        action()
    except KerasnetsError as error:
        assert len(str(error).splitlines()) == 1
        return str(error)
    return ""


TIMES = pytest.mark.parametrize("times", [1, pytest.param(20, marks=pytest.mark.slow)])


@TIMES
def test_an_interrupted_run_goes_on_to_the_same_bits_or_refuses(
    tmp_path, whole, parts, times
):
    expected = fingerprint(whole)
    refused = count = 0
    for name in flipped(parts, tmp_path / "run", times):
        count += 1
        said = refusal(lambda: small_run.fit(tmp_path / "run", resume=True))
        if name in NEEDED:
            assert name in said
            refused += 1
        else:
            assert said == ""
            assert fingerprint(runs.load(tmp_path / "run")) == expected, name
    assert refused == 2 * times
    print(f"{count} bytes flipped: {refused} refused, {count - refused} the same")


@TIMES
def test_a_finished_run_is_measured_the_same_or_refused(tmp_path, whole, times):
    names = ("confusion_matrix.csv", "per_class.csv", "predictions.csv")
    expected = [(whole.path / name).read_bytes() for name in names]
    refused = count = 0
    for name in flipped(whole, tmp_path / "run", times):
        count += 1
        said = refusal(lambda: evaluate(tmp_path / "run", device="cpu"))
        if name in (*NEEDED, "preprocessing.json", "model.keras"):
            assert name in said
            refused += 1
        else:
            assert said == ""
            after = [(tmp_path / "run" / name).read_bytes() for name in names]
            assert after == expected, name
    assert refused == 4 * times
    print(f"{count} bytes flipped: {refused} refused, {count - refused} the same")
