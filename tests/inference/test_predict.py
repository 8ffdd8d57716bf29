"""`kerasnets predict`: files of any number and kind, in order."""

import csv
import io
import json
import os
import sys

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

import kerasnets
from kerasnets.cli.commands import run as _run
from kerasnets.cli.tables import print_table
from kerasnets.cli.use.predict import answers_table
from kerasnets.evaluation.evaluate import evaluate
from kerasnets.inference.files import decoded, image_files
from kerasnets.inference.predict import Answer, predict_files
from kerasnets.runs.results import read_predictions

needs_pipes = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")


def predict(capsys, *arguments: object) -> tuple[int, str, str]:
    words = ["predict", *map(str, arguments), "--device", "cpu"]
    status = _run(words)
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return status, out, err


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_folder_gives_what_evaluate_gives(run, digit_files, capsys, tmp_path):
    evaluate(run, device="cpu")
    expected = read_predictions(run.path / "predictions.csv")
    out = tmp_path / "found.csv"
    status, said, _ = predict(capsys, run.path, digit_files[0].parent, "--out", out)
    assert (status, said) == (0, "")
    rows = table(out.read_text(encoding="utf-8"))
    assert [row["path"] for row in rows] == [str(path) for path in digit_files]
    assert [int(row["prediction"]) for row in rows] == expected.prediction.tolist()
    assert [row["confidence"] for row in rows] == [
        f"{share:.6f}" for share in expected.confidence
    ]


def test_formats_say_the_same(run, digit_files, capsys):
    two = digit_files[:2]
    status, out, _ = predict(capsys, run.path, *two, "--format", "csv", "--top-k", 3)
    assert status == 0
    columns = "path prediction confidence class_2 confidence_2 class_3 confidence_3"
    rows = table(out)
    assert list(rows[0]) == columns.split()
    _, out, _ = predict(capsys, run.path, *two, "--format", "json", "--top-k", 3)
    records = json.loads(out)
    _, out, _ = predict(capsys, run.path, *two, "--format", "jsonl", "--top-k", 3)
    assert [json.loads(line) for line in out.splitlines()] == records
    for row, record in zip(rows, records, strict=True):
        assert row["path"] == record["path"]
        assert row["prediction"] == record["prediction"]
        assert float(row["confidence"]) == record["confidence"]
        assert row["class_3"] == record["classes"][2]["class"]
        assert float(row["confidence_2"]) == record["classes"][1]["confidence"]
    _, out, _ = predict(capsys, run.path, *two)
    assert "prediction" in out and "confidence" in out


def test_there_are_no_more_classes_than_there_are(run, digit_files, capsys):
    _, out, _ = predict(
        capsys, run.path, digit_files[0], "--format", "csv", "--top-k", 99
    )
    assert "class_10" in out and "class_11" not in out


def test_files_that_cannot_be_read_are_listed(run, digit_files, capsys, tmp_path):
    broken, text = tmp_path / "broken.png", tmp_path / "text.png"
    broken.write_bytes(digit_files[0].read_bytes()[:60])
    text.write_text("no image")
    order = [digit_files[0], broken, digit_files[1], text]
    status, out, err = predict(capsys, run.path, *order, "--format", "csv")
    assert status == 1
    assert [row["path"] for row in table(out)] == [str(order[0]), str(order[2])]
    assert err.splitlines()[-1] == "kerasnets: 2 of 4 files cannot be read."
    assert f"kerasnets: {broken}: " in err
    assert f"kerasnets: {text}: it is not an image of" in err
    out_file = tmp_path / "out.csv"
    status, out, err = predict(
        capsys, run.path, *order, "--on-corrupt", "stop", "--out", out_file
    )
    assert (status, out, len(err.splitlines())) == (1, "", 1)
    assert f"{broken} cannot be read" in err and "--on-corrupt skip" in err
    assert not out_file.exists()


@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_nothing_that_can_be_read_is_one_line(run, capsys, tmp_path, form):
    files = [tmp_path / "one.png", tmp_path / "two.png"]
    for file in files:
        file.write_text("no image")
    out_file = tmp_path / "out"
    for more in ([], ["--out", out_file]):
        status, out, err = predict(capsys, run.path, *files, "--format", form, *more)
        assert (status, out, len(err.splitlines())) == (1, "", 1)
        assert f"{files[0]} cannot be read, nor can 1 other file: it is" in err
    assert not out_file.exists()


def test_standard_input_is_an_image_or_names(run, digit_files, capsys, monkeypatch):
    def given(data: bytes) -> str:
        stdin = io.TextIOWrapper(io.BytesIO(data))
        monkeypatch.setattr(sys, "stdin", stdin)
        status, out, err = predict(capsys, run.path, "-", "--format", "csv")
        assert status == 0, err
        return out

    names = "".join(f"{path}\n" for path in digit_files[:3])
    rows = table(given(names.encode()))
    assert [row["path"] for row in rows] == [str(path) for path in digit_files[:3]]
    (row,) = table(given(digit_files[0].read_bytes()))
    assert row["path"] == "-"
    assert row["prediction"] == rows[0]["prediction"]
    (row,) = table(given(b"P2\n# plain text\n2 1\n255\n0 255\n"))
    assert row["path"] == "-"


def test_places_are_found_in_order(tmp_path):
    names = ("b/2.png", "b/1.JPG", "a.webp", ".hidden.png", "note.txt", "@eaDir/2.png")
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    nothing = io.BytesIO()
    found = image_files([str(tmp_path / "**/*.png")], nothing)
    assert found == [str(tmp_path / n) for n in ("@eaDir/2.png", "b/2.png")]
    (tmp_path / "b" / "loop").symlink_to(tmp_path)
    found = image_files([str(tmp_path)], nothing)
    assert found == [str(tmp_path / n) for n in ("a.webp", "b/1.JPG", "b/2.png")]


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("nowhere.png", "there is no file nowhere.png"),
        ("*.png", "no file matches *.png"),
        ("empty", "the folder empty has no image"),
        ("-", "standard input is empty"),
    ],
)
def test_a_place_without_images_is_one_line(
    place, says, run, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
    (tmp_path / "empty").mkdir()
    status, out, err = predict(capsys, run.path, place, "--out", "new.csv")
    assert (status, out, len(err.splitlines())) == (2, "", 1)
    assert says in err
    assert not (tmp_path / "new.csv").exists()


@pytest.mark.parametrize(
    ("out", "says"),
    [
        (".", "is a folder; --out needs a file"),
        ("nowhere/new.csv", "there is no folder nowhere"),
        ("IMAGE", "is one of the images"),
        ("LINK", "is one of the images"),
        pytest.param("PIPE", "is a pipe or a device", marks=needs_pipes),
    ],
)
def test_an_output_that_cannot_be_is_refused_first(
    out, says, run, digit_files, capsys, monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    image = tmp_path / "IMAGE"
    image.write_bytes(digit_files[0].read_bytes())
    (tmp_path / "LINK").symlink_to(image)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "PIPE")
    status, _, err = predict(capsys, run.path, "./IMAGE", "--out", out)
    assert (status, len(err.splitlines())) == (2, 1)
    assert says in err
    assert image.read_bytes() == digit_files[0].read_bytes()


@needs_pipes
def test_a_pipe_among_the_images_of_a_folder_is_no_file(
    run, digit_files, capsys, tmp_path
):
    os.mkfifo(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(digit_files[0].read_bytes())
    status, out, err = predict(capsys, run.path, tmp_path, "--format", "csv")
    assert (status, len(table(out))) == (1, 1)
    assert "a.png: it is not a file" in err


def test_what_only_begins_as_an_image_is_read_at_once(tmp_path):
    names = image_files(["-"], io.BytesIO(b"P1 " + b"# " * 10_000 + b"x"))
    assert len(names) == 1


def test_worker_processes_decode_the_same_in_order(run, digit_files, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\0")
    files = [str(path) for path in digit_files[:40]]
    files.insert(17, str(broken))
    classifier = kerasnets.load(run, device="cpu")
    steps = classifier.preprocessing
    alone = list(decoded(files, steps, workers=0))
    why = alone.pop(17)
    for ahead in (True, False):
        helped = list(decoded(files, steps, workers=2, batch=11, ahead=ahead))
        assert helped.pop(17) == why and isinstance(why, str)
        assert np.array_equal(alone, helped)
    answers = list(predict_files(classifier, files, batch_size=7))
    assert [answer.name for answer in answers] == files
    assert answers[17].why and not answers[17].best


def test_a_name_is_no_formula_of_csv(run, capsys, tmp_path):
    path = tmp_path / 'a, "b"\r.png'
    Image.new("L", (8, 8)).save(path)
    _, out, _ = predict(capsys, run.path, path, "--format", "csv")
    assert table(out)[0]["path"] == str(path)


def test_files_are_read_as_a_person_sees_them(run, digit_files, capsys, tmp_path):
    # The readers of datasets, whose own tests have every kind: here that it is them.
    with Image.open(digit_files[7]) as image:
        upright = image.copy()
    turned, palette, deep = (tmp_path / f"{n}.png" for n in ("turn", "pal", "deep"))
    exif = Image.Exif()
    exif[0x0112] = 8  # to be seen, it must be turned by 90 degrees
    upright.transpose(Image.Transpose.ROTATE_270).save(turned, exif=exif)
    upright.convert("P").save(palette)
    Image.fromarray(np.asarray(upright).astype(np.uint16) * 257).save(deep)
    files = [digit_files[7], turned, palette, deep]
    status, out, err = predict(capsys, run.path, *files, "--format", "csv")
    assert status == 0, err
    assert len({row["confidence"] for row in table(out)}) == 1


def test_a_narrow_table_names_the_file_and_its_class():
    best = [(f"{name} & things", 0.2) for name in ("Smileys", "People", "Objects")]
    console = Console(width=80)
    with console.capture() as captured:
        answers = answers_table([Answer("photos, new/one.png", best)])
        print_table(answers, wrap=True, screen=console)
    told = captured.get()
    assert "photos, new/one.png" in told
    assert "Smileys & things" in told
