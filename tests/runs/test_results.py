"""The files of an evaluation are known one and all, and told from those of another
network."""

import pytest
from made_records import METRICS, add_metrics, make_records

from kerasnets import runs
from kerasnets.cli.commands import run as _run
from kerasnets.runs import results
from kerasnets.storage.files import write_json, write_text


def write_all(folder, epochs: int | None = 2) -> None:
    folder.mkdir(exist_ok=True)
    for name in results.FILES:
        write_text(folder / name, name)
    write_json(folder / "metrics.json", {**METRICS, "epochs": epochs})


def names(findings) -> set[str]:
    return {finding.name for finding in findings}


@pytest.fixture
def run(tmp_path):
    return make_records(tmp_path / "run")


def test_results_of_the_network_that_is_there_are_not_stale(run, capsys):
    for folder in ("", "validation", "train", "best_validation"):
        write_all(run.path / folder)
    assert results.stale(run.path) == ()
    assert _run(["verify", str(run.path)]) == 0


@pytest.mark.parametrize("folder", ["", "validation", "train", "best_validation"])
def test_results_of_fewer_epochs_are_stale(run, folder, capsys):
    write_all(run.path / folder, epochs=1)
    found = results.stale(run.path)
    assert len(found) == len(results.FILES)
    assert _run(["verify", str(run.path)]) == 1
    lines = capsys.readouterr().out.splitlines()
    path = run.path / folder / "predictions.csv"
    assert f"{path}: stale: measured after 1 epochs, of which the run has 2" in lines


def test_results_without_their_metrics_are_stale(run, capsys):
    # As versions before left them that removed metrics.json alone.
    write_all(run.path)
    write_all(run.path / "validation")
    for folder in (run.path, run.path / "validation"):
        runs.remove(folder / "metrics.json")
    expected = {*results.FILES} - {"metrics.json"}
    expected |= {f"validation/{name}" for name in expected}
    assert names(results.stale(run.path)) == expected
    assert _run(["verify", str(run.path)]) == 1
    assert "predictions.csv: stale: there is no metrics.json" in capsys.readouterr().out


def test_of_results_of_earlier_versions_nothing_is_said(run):
    add_metrics(run)
    assert results.stale(run.path) == ()


def test_a_run_without_digests_is_looked_at_too(run, capsys):
    write_text(run.path / "per_class.csv", "class")
    (run.path / "digests.json").unlink()
    assert _run(["verify", str(run.path)]) == 1
    not_recorded, stale = capsys.readouterr().out.splitlines()
    assert "not recorded" in not_recorded
    assert "per_class.csv: stale" in stale


def test_what_is_damaged_is_not_called_stale(run, capsys):
    write_all(run.path, epochs=1)
    (run.path / "metrics.json").write_text("{")
    assert results.stale(run.path) == ()
    (run.path / "history.csv").write_text("epoch")
    assert results.stale(run.path) == ()
    assert results.stale(run.path / "nowhere") == ()


def test_all_go_together_and_other_files_stay(run):
    for folder in ("", "validation", "best_validation"):
        write_all(run.path / folder)
    write_text(run.path / "validation" / "notes.txt", "mine")
    results.remove_results(run)
    left = {path.name for path in run.path.rglob("*") if path.is_file()}
    assert not left & set(results.FILES)
    assert (run.path / "validation" / "notes.txt").exists()
    assert not (run.path / "best_validation").exists()
