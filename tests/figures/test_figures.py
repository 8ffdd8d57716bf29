"""Figures are PNG files of the promised size, and the same each time."""

import hashlib
import io
import os
import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from PIL import Image
from trained_run import HISTORY, make_run

from kerasnets import datasets, figures, runs
from kerasnets.errors import RunError
from kerasnets.evaluation.evaluate import evaluate
from kerasnets.figures.style import one_line

HOSTILE = (
    "$x$ and $\\frac{",
    "a,b\nc\td\r",
    "a class name that does not end " * 9,
    "日本語",
    "",
    "100 % {0} %s \\n",
    "x",
    "x",
)


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def assert_png(path, *, minimum_height=400):
    with Image.open(io.BytesIO(path.read_bytes())) as image:
        image.load()
        assert image.format == "PNG"
        assert image.width == 1400
        assert minimum_height <= image.height <= 1700
        assert not {"Software", "Creation Time"} & set(image.info)
        # More than a white page.
        assert len(set(image.convert("L").resize((140, 140)).tobytes())) > 10


def confusion(classes, seed=0):
    random = np.random.default_rng(seed)
    return random.integers(0, 30, (classes, classes)) + 500 * np.eye(classes, dtype=int)


def test_evaluation_figures(run, recwarn):
    evaluate(run, device="cpu", first_batch=True)
    drawn = figures.draw_evaluation(run)
    assert {path.name for path in drawn} == {
        "confusion_matrix.png",
        "first_batch_confusion_matrix.png",
        "examples.png",
        "curves.png",
    }
    before = {path: digest(path) for path in drawn}
    for path in drawn:
        assert_png(path)
    assert {path: digest(path) for path in figures.draw_evaluation(run)} == before
    assert not [warning for warning in recwarn if "matplotlib" in str(warning.filename)]


def test_other_splits_are_drawn_beside_their_numbers(run):
    evaluate(run, split="validation", device="cpu")
    drawn = figures.draw_evaluation(run, "validation")
    assert run.path / "validation" / "examples.png" in drawn
    assert run.path / "curves.png" in drawn
    assert not (run.path / "examples.png").exists()


def test_nothing_is_drawn_of_what_was_not_evaluated(run):
    with pytest.raises(RunError, match=r"confusion_matrix\.csv does not exist"):
        figures.draw_evaluation(run)
    with pytest.raises(RunError, match=r"predictions\.csv does not exist"):
        figures.draw_examples(run)


@pytest.mark.parametrize(
    ("column", "value"), [(0, 360), (0, -1), (1, "other"), (2, 10), (2, -1)]
)
def test_examples_refuse_other_images(run, column, value):
    evaluate(run, device="cpu")
    path = run.path / "predictions.csv"
    rows = [list(row.values()) for row in runs.read_csv(path)]
    rows[0][column] = (int(rows[0][1]) + 1) % 10 if value == "other" else value
    runs.write_csv(path, ["index", "label", "prediction", "confidence"], rows)
    with pytest.raises(RunError, match="evaluate the run again"):
        figures.draw_examples(run)
    assert not (run.path / "examples.png").exists()


def write_predictions(run, labels, predictions):
    rows = zip(
        range(len(labels)), labels, predictions, [0.5] * len(labels), strict=True
    )
    runs.write_csv(
        run.path / "predictions.csv",
        ["index", "label", "prediction", "confidence"],
        rows,
    )


@pytest.mark.parametrize("offset", [0, 1])
def test_examples_of_networks_always_or_never_right(run, offset):
    labels = datasets.load("digits", image_size=8).test.labels
    write_predictions(run, labels.tolist(), ((labels + offset) % 10).tolist())
    assert_png(figures.draw_examples(run))


def test_examples_of_color_images(tmp_path):
    run = make_run(tmp_path / "run", channels=3)
    evaluate(run, device="cpu")
    assert_png(figures.draw_examples(run))


@pytest.mark.parametrize(
    ("epochs", "validation"),
    [(1, 0.25), (1, "test"), (2, 0.25), (21, "test"), (50, 0.25)],
)
def test_curves(tmp_path, epochs, validation):
    run = make_run(tmp_path / "run", validation=validation, epochs=50)
    rows = [
        (e, 1 / e, 1 - 0.5 / e, 2 / e, 1 - 0.6 / e, 0.1) for e in range(1, epochs + 1)
    ]
    runs.write_csv(run.path / "history.csv", HISTORY, rows)
    assert_png(figures.draw_curves(run))


def test_curves_need_an_epoch(run):
    runs.write_csv(run.path / "history.csv", HISTORY, [])
    with pytest.raises(RunError, match="no finished epoch"):
        figures.draw_curves(run)
    assert not (run.path / "curves.png").exists()


def test_curves_as_svg_are_the_same_each_time(run):
    path = figures.draw_curves(run, run.path / "curves.svg")
    first = path.read_bytes()
    assert first.startswith(b"<?xml")
    figures.draw_curves(run, path)
    assert path.read_bytes() == first


@pytest.mark.parametrize("classes", [2, 3, 10, 16, 40, 100])
def test_confusion_of_many_sizes(tmp_path, classes):
    names = [f"class {index}" for index in range(classes)]
    path = tmp_path / "confusion_matrix.png"
    figures.draw_confusion(confusion(classes), names, "Title", path)
    assert_png(path)


def test_confusion_of_nothing(tmp_path):
    path = tmp_path / "confusion_matrix.png"
    figures.draw_confusion(np.zeros((10, 10), int), list("0123456789"), "Title", path)
    assert path.exists()


def test_hostile_class_names_are_drawn_as_they_are(tmp_path, recwarn):
    path = tmp_path / "confusion_matrix.png"
    counts = confusion(len(HOSTILE))
    figures.draw_confusion(counts, HOSTILE, "$\\broken{ title\nof two lines", path)
    assert_png(path)
    assert not recwarn.list


def test_names_are_told_apart_in_the_figure(tmp_path):
    drawn = set()
    for name in ("cat", "dog"):
        path = tmp_path / f"{name}.png"
        figures.draw_confusion(confusion(2), [name, "other"], "Title", path)
        drawn.add(digest(path))
    assert len(drawn) == 2


def test_validation_confusion_is_of_the_last_epoch(run):
    columns = ["epoch", "label", "prediction", "count"]
    path = run.path / "validation_confusion.csv"
    names = list("0123456789")
    last = [(2, k, k, 9) for k in range(10)]
    runs.write_csv(path, columns, [(1, 0, 1, 100), *last])
    drawn = figures.draw_validation_confusion(run, names)
    assert drawn == run.path / "validation_confusion.png"
    assert_png(drawn)
    first = digest(drawn)
    runs.write_csv(path, columns, last)
    assert digest(figures.draw_validation_confusion(run, names)) == first


@pytest.mark.parametrize(
    "rows", [[], [(1, 0, 99, 5)], [(1, 0, -1, 5)], [(1, 0, "x", 5)]]
)
def test_damaged_validation_confusion_is_refused(run, rows):
    columns = ["epoch", "label", "prediction", "count"]
    runs.write_csv(run.path / "validation_confusion.csv", columns, rows)
    with pytest.raises(RunError, match="does not hold the confusion of an epoch"):
        figures.draw_validation_confusion(run, list("0123456789"))


def test_a_folder_that_is_gone_is_one_line(tmp_path):
    path = tmp_path / "gone" / "confusion_matrix.png"
    with pytest.raises(RunError, match=r"cannot write .*: No such file or directory"):
        figures.draw_confusion(confusion(2), ["a", "b"], "Title", path)


def test_the_user_s_matplotlib_settings_neither_matter_nor_change(tmp_path):
    first, second = tmp_path / "first.png", tmp_path / "second.png"
    figures.draw_confusion(confusion(3), list("abc"), "Title", first)
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red"}):
        before = dict(matplotlib.rcParams)
        figures.draw_confusion(confusion(3), list("abc"), "Title", second)
        assert dict(matplotlib.rcParams) == before
    assert first.read_bytes() == second.read_bytes()


def test_the_room_is_light_until_something_is_drawn():
    code = (
        "import sys, kerasnets.figures, kerasnets.evaluation\n"
        "assert 'matplotlib' not in sys.modules and 'keras' not in sys.modules\n"
        "kerasnets.figures.draw_confusion\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="draw_everything"):
        _ = figures.draw_everything


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("short", "short"),
        ("two\nlines\tand\x00 more", "two lines and…"),
        ("exactly 14 !!!", "exactly 14 !!!"),
        ("a name too long", "a name too lo…"),
        ("\n", ""),
    ],
)
def test_one_line(text, line):
    assert one_line(text, 14) == line


@pytest.mark.parametrize(
    ("named", "module"),
    [
        ("module://not_installed.backend_inline", "kerasnets.figures.examples"),
        # Refused by matplotlib when it is imported, unless the package is installed.
        ("module://matplotlib_inline.backend_inline", "kerasnets.figures.examples"),
        ("module://matplotlib_inline.backend_inline", "kerasnets.networks"),
        ("module://matplotlib_inline.backend_inline", "matplotlib.style"),
        ("no_such_way", "matplotlib.style"),
        ("svg", "kerasnets.figures.examples"),
    ],
)
def test_a_notebook_s_way_to_show_figures_is_not_needed(named, module):
    code = (
        f"import os, kerasnets, {module}\n"
        "import matplotlib\n"
        "print(os.environ['MPLBACKEND'], matplotlib.rcParams['backend'])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "MPLBACKEND": named},
        capture_output=True,
        text=True,
        check=True,
    )
    environment, backend = result.stdout.split()
    assert environment == named
    assert named != "svg" or backend == "svg"
