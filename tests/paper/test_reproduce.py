"""A study is begun, interrupted, shared between processes, and finished."""

import json
import subprocess
import textwrap
import threading
import time

import keras
import pytest
import warm_python

from kerasnets import runs
from kerasnets.compute.execution import Execution
from kerasnets.errors import BackendError, RunError, TrainingDiverged
from kerasnets.paper import best_epoch, outcomes
from kerasnets.paper import plan as plans
from kerasnets.paper.outcomes import BEGUN, FAILED, FINISHED, NOT_BEGUN
from kerasnets.paper.plan import plan
from kerasnets.paper.reproduction import reproduce as module
from kerasnets.paper.reproduction.reproduce import reproduce
from kerasnets.paper.results import Results, gather
from kerasnets.paper.rows import PAPER
from kerasnets.paper.scales import SCALES

ROWS = ("mnist-vgg19-original", "mnist-densenet121")
RUNS = tuple(f"{row}-seed0" for row in ROWS)


def bring_on(study, rows=ROWS, device="cpu", **options) -> Results:
    options = {"verbosity": 0, "say": lambda line: None, **options}
    return reproduce(study, rows, execution=Execution(device), **options)


def states(found: Results, rows=ROWS) -> list[str]:
    return [one.state for one in found.outcomes if one.row in rows]


def test_rows_end_with_tables_beside_the_papers(tmp_path, tiny):
    path = tmp_path / "study"
    found = bring_on(plan(path, scale=tiny))
    assert states(found) == [FINISHED, FINISHED]
    assert (found.finished, len(found.outcomes)) == (2, 9)
    cell = next(cell for cell in found.cells if cell.row == ROWS[1])
    metrics = runs.read_json(path / "runs" / RUNS[1] / "metrics.json")
    assert cell.accuracy == pytest.approx(metrics["accuracy"])
    assert cell.difference == pytest.approx(cell.accuracy - 0.9896)
    assert cell.interval.low < cell.accuracy < cell.interval.high
    assert cell.verdict.outcome == "not comparable"

    page = (path / "results.md").read_text()
    assert "Digits instead of MNIST, 60 of 1,437 training images, 1 of 15 ep" in page
    assert f"{100 * cell.accuracy:.2f} % (" in page
    assert "54 / 6 / 360" in page
    record = json.loads((path / "results.json").read_text())
    assert (record["finished"], record["planned"]) == (2, 9)
    assert record["machines"] == list(found.machines) != []
    lines = runs.read_csv(path / "results.csv")
    assert [line["row"] for line in lines] == list(PAPER)
    assert float(lines[4]["accuracy"]) == pytest.approx(100 * cell.accuracy, abs=1e-3)

    # Resuming is over: only the network and the records are kept.
    assert (path / "runs" / RUNS[1] / "model.keras").exists()
    assert not (path / "runs" / RUNS[1] / "checkpoint").exists()


@pytest.mark.parametrize("jobs", [1, 2])
def test_checkpoints_are_kept_where_they_are_asked_for(
    tmp_path, tiny, jobs, quick_processes
):
    path = tmp_path / "study"
    rows = ROWS[:jobs]
    study = plan(path, scale=tiny)
    bring_on(study, rows, keep_checkpoints="last", jobs=jobs)
    for row in rows:
        folder = path / "runs" / f"{row}-seed0" / "checkpoint"
        assert [file.name for file in folder.iterdir()] == ["epoch-00001.npz"]


def test_repeating_keeps_finished_rows_and_goes_on(tmp_path, tiny, monkeypatch):
    path = tmp_path / "study"
    evaluate = module.evaluate

    def interrupted(run, **options):
        if run.path.name == RUNS[1]:
            raise KeyboardInterrupt
        return evaluate(run, **options)

    with monkeypatch.context() as patch:
        patch.setattr(module, "evaluate", interrupted)
        with pytest.raises(KeyboardInterrupt):
            bring_on(plan(path, scale=tiny))
    assert states(gather(plan(path))) == [FINISHED, BEGUN]
    assert "Finished: 1 of 9 runs" in (path / "results.md").read_text()

    models = [path / "runs" / name / "model.keras" for name in RUNS]
    before = [model.stat().st_mtime_ns for model in models]
    assert states(bring_on(plan(path))) == [FINISHED, FINISHED]
    assert [model.stat().st_mtime_ns for model in models] == before


def test_a_killed_study_goes_on_from_its_last_epoch(tmp_path, tiny):
    changes = {**SCALES[tiny].changes["mnist"], "epochs": 3}
    code = f"""
        import narrow
        narrow.narrowed().__enter__()
        from kerasnets.compute.execution import Execution
        from kerasnets.paper import scales
        from kerasnets.paper.plan import plan
        from kerasnets.paper.reproduction.reproduce import reproduce
        from pathlib import Path
        scale = scales.Scale("", {{"mnist": {changes!r}, "cifar10": {changes!r}}})
        scales.SCALES["tiny"] = scale
        study = plan(Path({str(tmp_path / "study")!r}), scale="tiny")
        cpu = Execution("cpu")
        reproduce(study, ["{ROWS[0]}"], execution=cpu, verbosity=0)
    """
    command = [warm_python.executable(), "-c", textwrap.dedent(code)]
    process = subprocess.Popen(command)
    folder = tmp_path / "study" / "runs" / RUNS[0]
    deadline = time.monotonic() + 120
    while not list(folder.glob("checkpoint/epoch-*.npz")):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()
    began = runs.read_json(folder / "environment.json")["started"]

    subprocess.run(command, check=True)
    environment = runs.read_json(folder / "environment.json")
    assert environment["started"] == began
    assert [row["epoch"] for row in runs.load(folder).history] == [1, 2, 3]
    assert (folder / "metrics.json").exists()


def test_a_row_that_diverges_is_recorded_and_stops_no_other(
    tmp_path, tiny, monkeypatch
):
    trained = []
    fit = module.fit

    def diverging(recipe, path, **options):
        trained.append(path.name)
        if path.name == RUNS[0]:
            raise TrainingDiverged("the loss became nan by step 3 of epoch 1.")
        return fit(recipe, path, **options)

    monkeypatch.setattr(module, "fit", diverging)
    study = plan(tmp_path / "study", scale=tiny)
    found = bring_on(study)
    assert states(found) == [FAILED, FINISHED]
    assert [one.failure for one in found.failed] == [
        "the loss became nan by step 3 of epoch 1."
    ]
    bring_on(study)
    assert trained == list(RUNS)  # neither is run again


def test_a_row_that_failed_otherwise_is_tried_again(tmp_path, tiny, monkeypatch):
    def failing(run, **options):
        raise RunError("the disk is away.")

    study = plan(tmp_path / "study", scale=tiny)
    with monkeypatch.context() as patch:
        patch.setattr(module, "evaluate", failing)
        found = bring_on(study, ROWS[:1])
    assert states(found, ROWS[:1]) == [FAILED]
    assert found.cells[0].verdict.reason == "failed: the disk is away."
    assert states(bring_on(study, ROWS[:1]), ROWS[:1]) == [FINISHED]


def test_a_row_that_another_process_holds_is_left_to_it(tmp_path, tiny):
    study = plan(tmp_path / "study", scale=tiny)
    plans.begin(study)
    said: list[str] = []
    with study.lock(RUNS[0], wait=False) as held:
        assert held
        found = bring_on(study, say=said.append)
    assert states(found) == [NOT_BEGUN, FINISHED]
    assert said[-1] == f"{RUNS[0]}: another process works on it"


def test_waiting_takes_over_what_another_process_leaves(tmp_path, tiny):
    study = plan(tmp_path / "study", scale=tiny)
    plans.begin(study)
    holds, lets_go = threading.Event(), threading.Event()

    def another_process():
        with study.lock(RUNS[0], wait=False):
            holds.set()
            lets_go.wait(60)

    def say(line: str) -> None:
        said.append(line)
        if "waiting" in line:
            lets_go.set()

    said: list[str] = []
    other = threading.Thread(target=another_process)
    other.start()
    holds.wait(60)
    found = bring_on(study, ROWS[:1], wait=True, say=say)
    other.join()
    assert states(found, ROWS[:1]) == [FINISHED]
    assert "waiting for the process" in said[0]


def test_seeds_are_averaged_and_the_test_split_can_be_monitored(tmp_path, tiny):
    path = tmp_path / "study"
    study = plan(path, scale=tiny, seeds=2, assumptions={"validation": "test"})
    cell = next(c for c in bring_on(study, ROWS[:1]).cells if c.row == ROWS[0])
    accuracies = [one.accuracy for one in cell.finished]
    assert len(accuracies) == 2
    assert cell.accuracy == pytest.approx(sum(accuracies) / 2)
    assert cell.interval.kind == "t"
    for one in cell.finished:
        # One epoch: the best on the test split is the last.
        assert one.best_on_test == pytest.approx(one.accuracy)
        assert one.accuracy_at_best_validation is None
    assert "validation test" in (path / "results.md").read_text()


def test_the_best_epoch_is_tested_too(tmp_path, tiny, monkeypatch):
    first = bring_on(plan(tmp_path / "one", scale=tiny), ROWS[:1]).cells[0]
    monkeypatch.setitem(SCALES[tiny].changes["mnist"], "epochs", 2)
    for place in (best_epoch, module, outcomes):
        monkeypatch.setattr(place, "best_epoch", lambda history: 1)
    study = plan(tmp_path / "two", scale=tiny)
    (found,) = bring_on(study, ROWS[:1]).cells[0].finished
    assert found.epochs == 2
    assert found.accuracy_at_best_validation == first.accuracy
    folder = tmp_path / "two" / "runs" / RUNS[0]
    assert not list(folder.rglob("best-*")) and not (folder / "checkpoint").exists()
    (folder / "best_validation" / "metrics.json").unlink()
    (found,) = gather(study).cells[0].finished
    assert found.accuracy_at_best_validation is None


def test_the_network_of_the_best_epoch_is_kept(tmp_path):
    run = runs.create(tmp_path / "run", PAPER[ROWS[0]].recipe)
    run.checkpoint_folder.mkdir()
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    keep = best_epoch.KeepBestEpoch(best_epoch.BestEpoch(run.path, run.recipe))
    keep.set_model(model)
    rows = []
    for epoch, accuracy in enumerate((0.5, 0.75, 0.75, 0.25)):
        model.layers[0].bias.assign([epoch])
        rows.append([epoch + 1, 0.0, 0.0, 0.0, accuracy])
        runs.write_csv(run.path / "history.csv", runs.HISTORY_COLUMNS, rows)
        keep.on_epoch_end(epoch)
    (file,) = run.checkpoint_folder.iterdir()
    assert file.name == "best-00002.keras"
    kept = keras.saving.load_model(file)
    assert keras.ops.convert_to_numpy(kept.layers[-1].bias).tolist() == [1]


def test_nothing_is_written_where_the_device_is_missing(tmp_path, tiny):
    with pytest.raises(BackendError):
        bring_on(plan(tmp_path / "study", scale=tiny), device="cuda:99")
    assert not (tmp_path / "study").exists()
