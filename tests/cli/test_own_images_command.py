"""Own images from inspection to report, as a user types it."""

import json
import shutil

import narrow
import numpy as np
import pytest
from PIL import Image

from kerasnets import runs
from kerasnets.cli.commands import run as _run
from kerasnets.report.commands import fit_command

CLASSES = ("Food & Drink", "käse")


@pytest.fixture(scope="module")
def where(tmp_path_factory):
    """A folder with photos/, and a run on them."""
    top = tmp_path_factory.mktemp("own")
    with narrow.narrowed(), pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERASNETS_CACHE", str(top / "cache"))
        patch.chdir(top)
        for label, name in enumerate(CLASSES):
            (top / "photos" / name).mkdir(parents=True)
            for number in range(20):
                rng = np.random.default_rng([label, number])
                pixels = rng.integers(label * 120, 135 + label * 120, (9, 12, 3))
                image = Image.fromarray(pixels.astype(np.uint8))
                image.save(top / "photos" / name / f"{number}.png")
        assert _run([*fit_words("./photos"), "--epochs", "1"]) == 0
        yield top


def fit_words(photos):
    words = ["fit", "resnet18", "--dataset", str(photos), "--out", "run"]
    return [*words, "--batch-size", "8", "-q"]


@pytest.fixture(autouse=True)
def here(where, monkeypatch):
    monkeypatch.setenv("KERASNETS_CACHE", str(where / "cache"))
    monkeypatch.chdir(where)


def test_the_run_records_where_its_images_are(where):
    run = runs.load("run")
    assert run.recipe.dataset == str(where / "photos")
    record = json.loads((run.path / "environment.json").read_text())
    assert record["class_names"] == list(CLASSES)
    files = record["dataset_files"]
    assert (files["place"], files["count"]) == (str(where / "photos"), 40)
    assert len(files["sha256"]) == 64
    shown = json.loads((run.path / "preprocessing.json").read_text())
    assert (shown["resize"], shown["background"]) == ("crop", "white")
    assert shown["mode"] == "RGB"
    assert "photos" in run.recipe.name and "/" not in run.recipe.name


def test_every_default_is_printed_before_training(where, capsys):
    words = [*fit_words("photos"), "--epochs", "1"]
    words[words.index("run")] = "other"
    assert _run(words[:-3] + words[-2:]) == 0  # not quiet
    told = " ".join(capsys.readouterr().out.split())
    for fact in (
        *("ResNet-18 on photos", "40 image files", "fraction 0.2", str(where)),
        *("image size 32 pixels", "resize crop", "background white", "32×32×3"),
        *("standardize", "optimizer sgd", "defaults those for own images"),
    ):
        assert fact in told, fact


def test_evaluate_and_report(where, capsys):
    assert _run(["evaluate", "run"]) == 0
    metrics = json.loads((where / "run" / "metrics.json").read_text())
    assert (metrics["images"], metrics["data_changed"]) == (8, False)
    assert (where / "run" / "examples.png").exists()
    shutil.copytree("run", "twin")
    assert _run(["compare", "run", "twin", "--out", "compared"]) == 0
    assert (where / "compared" / "comparison.md").exists()
    shutil.rmtree("twin")
    assert _run(["report", "run", "--out", "report.html"]) == 0
    assert "Food &amp; Drink" in (where / "report.html").read_text()


def test_moved_images_are_named_with_data_dir(where, capsys):
    shutil.copytree("photos", "away/photos")
    (where / "photos").rename("hidden")
    try:
        assert _run(["evaluate", "run"]) == 2
        assert "is not there" in capsys.readouterr().err
        for folder in ("away", "away/photos"):
            assert _run(["evaluate", "run", "--data-dir", folder]) == 0
            metrics = json.loads((where / "run" / "metrics.json").read_text())
            assert not metrics["data_changed"]
        shutil.copy("away/photos/käse/1.png", "away/photos/käse/2.png")
        capsys.readouterr()
        assert _run(["evaluate", "run", "--data-dir", "away"]) == 0
        assert json.loads((where / "run" / "metrics.json").read_text())["data_changed"]
    finally:
        (where / "hidden").rename("photos")
        shutil.rmtree("away")


def test_a_class_with_another_name_is_not_evaluated(where, capsys):
    assert _run(["evaluate", "run"]) == 0
    before = (where / "run" / "metrics.json").read_bytes()
    shutil.copytree("photos", "renamed")
    (where / "renamed" / "käse").rename(where / "renamed" / "Quark")
    capsys.readouterr()
    assert _run(["evaluate", "run", "--data-dir", "renamed"]) == 2
    err = capsys.readouterr().err
    assert "with other classes" in err and "käse is Quark there" in err
    assert (where / "run" / "metrics.json").read_bytes() == before
    shutil.rmtree("renamed")


def test_more_images_may_move_those_of_the_training_to_the_test(where, caplog):
    shutil.copytree("photos", "grown")
    Image.new("RGB", (12, 9), "red").save("grown/käse/more.png")
    assert _run(["evaluate", "run", "--data-dir", "grown"]) == 0
    assert str(where / "grown") in caplog.text
    assert "drawn anew, and may hold training images" in caplog.text
    shutil.rmtree("grown")


@pytest.mark.parametrize(
    "name", ["photos\u00a02024", "写真\u3000", "two\nlines", "ros\udce9"]
)
def test_a_folder_of_any_name_is_trained_evaluated_and_compared(name, where, capsys):
    shutil.copytree("photos", name)
    (where / name / "käse").rename(where / name / "fromag\udce9")
    words = fit_words(name)
    words[words.index("run")] = "named"
    assert _run(["inspect", name, "--out", "inspected"]) == 0
    assert _run([*words, "--epochs", "1"]) == 0
    assert _run(["evaluate", "named"]) == 0
    assert _run(["compare", "named", "run", "--out", "compared"]) == 0
    assert _run(["report", "named", "--out", "named.html"]) == 0
    assert _run(["card", "named", "--out", "named.md"]) == 0
    capsys.readouterr()
    assert _run(["runs", "named", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["state"] == "complete"
    for made in (name, "named", "inspected", "compared"):
        shutil.rmtree(made)
    (where / "named.md").unlink()


def test_resume_goes_on_with_moved_images_and_not_with_others(where, capsys):
    shutil.copytree("photos", "elsewhere")
    words = [*fit_words("elsewhere"), "--resume"]
    assert _run([*words, "--epochs", "2"]) == 0
    run = runs.load("run")
    assert (len(run.history), run.recipe.dataset) == (2, str(where / "photos"))
    Image.new("RGB", (12, 9), "red").save("elsewhere/käse/1.png")
    assert _run([*words, "--epochs", "3"]) == 2
    assert "fingerprint changed" in capsys.readouterr().err
    shutil.rmtree("elsewhere")


def test_the_command_that_repeats_a_run_makes_the_same_recipe():
    from kerasnets.recipe import Recipe

    run = runs.load("run")
    words = fit_command(run.recipe).split(" --")
    assert f"dataset {run.recipe.dataset}" in words
    assert "image-size 32" in words
    named = {"image_size": 32, "batch_size": 8}
    again = Recipe.for_paper("resnet18", run.recipe.dataset, **named)
    assert again.replace(epochs=run.recipe.epochs) == run.recipe


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("--dataset ./gone", "is not there"),
        ("--dataset gone.csv", "is not there"),
        ("--dataset photos/käse", "no subfolders with images"),
        ("--dataset photos --resize fold", "Allowed: squash, crop, pad"),
        ("--dataset photos --background red", "Allowed: white, black, grey"),
        ("--dataset digits --on-corrupt skip", "for your own images"),
    ],
)
def test_what_does_not_work_gets_one_line(arguments, says, capsys):
    before = sorted(path.name for path in runs.DEFAULT_ROOT.parent.glob("*"))
    assert _run(["fit", "resnet18", *arguments.split()]) == 2
    err = capsys.readouterr().err
    assert says in err
    assert len(err.splitlines()) == 1
    assert sorted(path.name for path in runs.DEFAULT_ROOT.parent.glob("*")) == before


def test_inspect_tells_what_fit_would_stop_at(where, capsys):
    assert _run(["inspect", "photos"]) == 0
    out = capsys.readouterr().out
    assert "40 images in 2 classes" in out and "50.00%" in out
    folder = where / "artifacts" / "inspections" / "photos"
    names = {path.name for path in folder.iterdir()}
    assert names == {"inspection.json", "inspection.md", "classes.png"}
    shutil.copytree("photos", "broken")
    (where / "broken" / "käse" / "bad.png").write_bytes(b"")
    (where / "broken" / "leer").mkdir()
    shutil.copy("photos/käse/1.png", "broken/Food & Drink/same.png")
    assert _run(["inspect", "broken", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["broken"]
    assert list(found["unreadable"]) == ["käse/bad.png"]
    assert found["empty"] == [{"class": "leer", "split": "train"}]
    assert found["duplicates"]["counts"]["exact"]["across_classes"] == 1
    shutil.rmtree("broken")


def test_an_interrupted_inspection_leaves_no_record(where, capsys, monkeypatch):
    """inspection.json is there only if the other files belong to it."""
    folder = where / "cut"
    assert _run(["inspect", "photos", "--out", str(folder)]) == 0

    def fails(*_):
        raise OSError(28, "No space left on device")

    for name in ("write_text", "draw_class_means"):
        (folder / "inspection.json").write_text("{}")
        with monkeypatch.context() as patch:
            patch.setattr(f"kerasnets.figures.inspection.{name}", fails)
            assert _run(["inspect", "photos", "--out", str(folder)]) == 2
        assert "cannot be written: No space left" in capsys.readouterr().err
        assert not (folder / "inspection.json").exists()
    shutil.rmtree(folder)


def test_inspect_takes_a_name(capsys):
    assert _run(["inspect", "digits", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["images"] == 1797
    assert found["formats"] == {"PNG": 1797}
