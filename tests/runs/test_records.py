"""One reader for each file of a run: whoever asks gets the same numbers, or the same
one line."""

import pytest
from made_runs import make_run

from kerasnets import runs
from kerasnets.cli.runs.tables import per_class_table
from kerasnets.comparison.row import make_row
from kerasnets.errors import RunError
from kerasnets.runs import records
from kerasnets.runs.records import EPOCH_TIMES
from kerasnets.runs.results import PER_CLASS
from kerasnets.runs.status import state

CLASSES = ",".join(PER_CLASS.columns)


def test_seconds_are_the_same_wherever_they_are_shown(tmp_path):
    run = make_run(tmp_path / "run", epoch_s=7.5)
    assert [time.seconds for time in records.epoch_times(run)] == [7.5, 7.5]
    row = make_row(run, "run", None, None)
    assert row.total_s == state(run.path).seconds == records.training_s(run) == 15


@pytest.mark.parametrize(
    "row",
    ["1,a,1,1,1,0,", "1,nan,1,1,1,0,", "1,-1,1,1,1,0,", "1,1,,1,1,0,", "x,1,1,1,1,0,"],
)
def test_damaged_times_are_the_same_line_wherever_they_are_read(tmp_path, row):
    run = make_run(tmp_path / "run")
    header = ",".join(EPOCH_TIMES.columns)
    runs.write_text(run.path / EPOCH_TIMES.file, f"{header}\n{row}\n")
    line = f"{run.path / EPOCH_TIMES.file} does not hold epoch times."
    assert state(run.path).why == line
    for read in (records.epoch_times, records.learning_curve, records.training_s):
        with pytest.raises(RunError) as raised:
            read(run)
        assert str(raised.value) == line


@pytest.mark.parametrize("text", ["class\na\n", f"{CLASSES}\na,b,c,d,e\n"])
def test_a_damaged_table_of_classes_is_one_line(tmp_path, text):
    run = make_run(tmp_path / "run")
    runs.write_text(run.path / PER_CLASS.file, f"{CLASSES}\na,0.5,0.25,1,3\n")
    assert len(per_class_table(run, "test").rows) == 1
    runs.write_text(run.path / PER_CLASS.file, text)
    with pytest.raises(RunError, match=r"per_class\.csv"):
        per_class_table(run, "test")


@pytest.mark.parametrize("row", ["1,0,x,1", "1,0,-1,1", "1,0,0.5,1"])
def test_damaged_counts_of_an_epoch_are_one_line(tmp_path, row):
    run = make_run(tmp_path / "run")
    file, columns = records.VALIDATION_CONFUSION
    runs.write_text(run.path / file, f"{','.join(columns)}\n{row}\n")
    with pytest.raises(RunError, match="does not hold the confusion of an epoch"):
        records.validation_confusion(run)
