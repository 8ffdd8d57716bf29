"""`kerasnets diagnose` as a user types it."""

import json

import pytest

from kerasnets.cli.commands import run as _run
from kerasnets.networks import vgg

TINY = "vgg11 --dataset digits --head compact --limit 100 --batch-size 16 --steps 2"


@pytest.fixture(autouse=True)
def narrow_vgg(monkeypatch):
    monkeypatch.setattr(vgg, "FILTERS", (4, 6, 8, 8, 8))
    monkeypatch.setattr(vgg, "UNITS", 12)


def run(capsys, arguments: str):
    status = _run(["diagnose", *arguments.split()])
    out, err = capsys.readouterr()
    return status, out, err


def test_prints_the_trials_and_the_verdict(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, out, err = run(capsys, TINY)
    assert status == 0
    assert "1 of 2, neither" in err
    folder = tmp_path / "artifacts/diagnoses"
    (found,) = folder.iterdir()
    written = json.loads((found / "diagnosis.json").read_text())
    assert written["verdict"] in out
    assert "momentum" in out and "outcome" in out
    status, out, err = run(capsys, TINY)
    assert (status, out) == (2, "")
    assert "--overwrite" in err and len(err.strip().splitlines()) == 1


def test_json_is_all_there_is_on_standard_output(capsys, tmp_path):
    out_folder = tmp_path / "d"
    status, out, _ = run(capsys, f"{TINY} --json --out {out_folder}")
    assert status == 0
    assert json.loads(out) == json.loads((out_folder / "diagnosis.json").read_text())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (f"{TINY} --ablate-lr 0.1", "--ablate-lr needs --ablate"),
        (f"{TINY} --ablate --ablate-lr -1", "learning_rate must be a number > 0"),
        ("vgg19 --dataset digits --steps 0", "--steps"),
        ("vgg91 --dataset digits", "Did you mean 'vgg19'"),
        (f"{TINY} --precision mixed_float16", "float32"),
    ],
)
def test_bad_input_is_one_line(arguments, says, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, out, err = run(capsys, arguments)
    assert (status, out) == (2, "")
    assert says in err and len(err.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_the_folder_is_a_file(capsys, tmp_path):
    file = tmp_path / "file"
    file.write_text("kept")
    status, out, err = run(capsys, f"{TINY} --out {file}")
    assert (status, out) == (2, "")
    assert "is a file" in err and len(err.strip().splitlines()) == 1
    assert file.read_text() == "kept"
