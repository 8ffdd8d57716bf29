"""Every file of a run folder against its digest."""

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasnets.storage import digests, files

FILES = ("recipe.json", "model.keras", "checkpoint/epoch-00001.npz", "validation/a.csv")


def make(folder):
    folder.mkdir(exist_ok=True)
    digests.begin(folder)
    for name in FILES:
        (folder / name).parent.mkdir(exist_ok=True)
        files.write_text(folder / name, f"the content of {name}\n")
    (folder / "run.log").write_text("a line\n")
    return folder


@pytest.fixture
def folder(tmp_path):
    return make(tmp_path / "run")


def found(folder):
    verification = digests.verify(folder)
    assert verification is not None
    return {finding.name: finding.what for finding in verification.findings}


def test_what_was_written_is_as_it_was_written(folder):
    assert digests.verify(folder) == digests.Verification(len(FILES), ())
    files.write_text(folder / "recipe.json", "another")
    with (folder / "run.log").open("a") as log:
        log.write("another line\n")
    assert found(folder) == {}


@pytest.mark.parametrize("name", [*FILES, digests.NAME])
def test_any_flipped_bit_is_found(folder, name):
    whole = (folder / name).read_bytes()
    for place in range(len(whole)):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << place % 8
        (folder / name).write_bytes(flipped)
        assert found(folder) == {name: "damaged"}, place
    (folder / name).write_bytes(whole)
    assert found(folder) == {}


@pytest.mark.parametrize("name", FILES)
def test_missing_and_cut_files_are_found(folder, name):
    os.truncate(folder / name, 5)
    assert found(folder) == {name: "damaged"}
    (folder / name).unlink()
    assert found(folder) == {name: "missing"}


def test_files_of_others_are_found(folder, tmp_path):
    (folder / "notes.txt").write_text("mine")
    (folder / "link").symlink_to(folder / "recipe.json")
    assert found(folder) == {"notes.txt": "unknown", "link": "not a file"}


def test_a_link_in_the_place_of_a_file_is_not_followed(folder, tmp_path):
    shutil.copy(folder / "model.keras", tmp_path / "model.keras")
    (folder / "model.keras").unlink()
    (folder / "model.keras").symlink_to(tmp_path / "model.keras")
    assert found(folder) == {"model.keras": "not a file"}


def test_removed_files_are_forgotten(folder):
    files.remove(folder / "model.keras")
    assert found(folder) == {}
    files.remove(folder / "model.keras")
    assert found(folder) == {}


def test_nothing_is_said_of_a_folder_without_digests(tmp_path):
    files.write_text(tmp_path / "recipe.json", "{}")
    assert digests.verify(tmp_path) is None


class Killed(BaseException):
    """In place of a kill: what it leaves on disk is what there is when it's raised."""


def killed_at(monkeypatch, change, step):
    """What `change` leaves when the process dies before its n-th renaming or deletion;
    False where it has fewer."""
    done = 0

    def counted(real):
        def call(*arguments, **named):
            nonlocal done
            done += 1
            if done > step:
                raise Killed
            return real(*arguments, **named)

        return call

    with monkeypatch.context() as patch:
        for name in ("replace", "unlink"):
            patch.setattr(Path, name, counted(getattr(Path, name)))
        with contextlib.suppress(Killed):
            change()
            return False
    return True


CHANGES = {
    "replace": lambda folder: files.write_text(folder / "model.keras", "new"),
    "add": lambda folder: files.write_text(folder / "metrics.json", "new"),
    "remove": lambda folder: files.remove(folder / "model.keras"),
}


@pytest.mark.parametrize("first", CHANGES)
@pytest.mark.parametrize("second", ["replace", "remove"])
def test_a_kill_at_any_instant_is_no_damage(tmp_path, monkeypatch, first, second):
    """Nor is a second kill of the process that goes on, nor what follows."""
    monkeypatch.setattr(os, "fsync", lambda _: None)  # there is no power to fail
    template = make(tmp_path / "template")
    for one in range(9):
        for two in range(9):
            folder = tmp_path / f"{one}-{two}"
            shutil.copytree(template, folder)
            if not killed_at(monkeypatch, lambda f=folder: CHANGES[first](f), one):
                return
            assert found(folder) == {}, one
            again = killed_at(monkeypatch, lambda f=folder: CHANGES[second](f), two)
            assert found(folder) == {}, (one, two)
            for change in CHANGES.values():
                change(folder)
            assert found(folder) == {}
            (folder / "metrics.json").unlink()
            assert found(folder) == {"metrics.json": "missing"}
            if not again:
                break


def test_a_failed_renaming_leaves_the_old_file(folder, monkeypatch):
    real = Path.replace

    def fail(self, target):
        if target.name == "model.keras":
            raise OSError(28, "No space left on device")
        return real(self, target)

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="No space"):
        files.write_text(folder / "model.keras", "new")
    assert (folder / "model.keras").read_text() == "the content of model.keras\n"
    assert found(folder) == {}


def test_processes_that_write_at_once_lose_no_digest(folder):
    code = (
        "import sys; from pathlib import Path; from kerasnets.storage import files\n"
        "for n in range(20):\n"
        "    files.write_text(Path(sys.argv[1]) / f'{sys.argv[2]}-{n % 3}', str(n))\n"
    )
    several = [
        subprocess.Popen([sys.executable, "-c", code, str(folder), name])
        for name in ("a", "b", "c")
    ]
    assert [process.wait() for process in several] == [0, 0, 0]
    verification = digests.verify(folder)
    assert verification == digests.Verification(len(FILES) + 9, ())


def test_training_goes_on_where_the_digests_are_damaged(folder, caplog):
    (folder / digests.NAME).write_text("{}")
    assert found(folder) == {digests.NAME: "damaged"}
    files.write_text(folder / "model.keras", "new")
    assert "start over" in caplog.text
    unknown = {name: "unknown" for name in FILES if name != "model.keras"}
    assert found(folder) == unknown


@settings(max_examples=settings.default.max_examples // 4)
@given(content=st.binary(max_size=200))
def test_whatever_the_manifest_holds_is_told(tmp_path_factory, content):
    folder = make(tmp_path_factory.mktemp("fuzz") / "run")
    (folder / digests.NAME).write_bytes(content)
    assert found(folder) == {digests.NAME: "damaged"}


def test_digests_of_files_elsewhere_are_not_looked_at(folder, tmp_path):
    (tmp_path / "secret").write_text("secret")
    digest = digests.digest(tmp_path / "secret")
    hostile = digests._Manifest({"../secret": digest})
    (folder / digests.NAME).write_text(hostile.to_text())
    assert found(folder) == {digests.NAME: "damaged"}
