"""The user's cache folder, wherever the user has one; folders that take no files."""

import pwd
from pathlib import Path

import pytest

from kerasnets.errors import KerasnetsError
from kerasnets.storage.folders import expanded, user_cache, why_not_writable


@pytest.mark.parametrize(
    ("variables", "folder"),
    [
        ({"HOME": "/home/me"}, "/home/me/.cache/kerasnets"),
        ({"HOME": "/home/me", "XDG_CACHE_HOME": "/fast"}, "/fast/kerasnets"),
        ({"HOME": "/home/me", "XDG_CACHE_HOME": "~/fast"}, "/home/me/fast/kerasnets"),
        ({"HOME": "", "XDG_CACHE_HOME": "/fast"}, "/fast/kerasnets"),
        ({"XDG_CACHE_HOME": "/fast", "KERASNETS_CACHE": "/own"}, "/own"),
        ({"HOME": "relative"}, None),
        ({}, None),
    ],
)
def test_the_users_cache_folder(variables, folder, monkeypatch):
    def unknown(*_):
        raise KeyError("uid not found")

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.setattr("sys.platform", "linux")
    for name in ("HOME", "XDG_CACHE_HOME", "KERASNETS_CACHE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert user_cache() == (folder and Path(folder))


def test_what_keeps_a_folder_from_being_written(tmp_path):
    assert why_not_writable(tmp_path / "a" / "b") is None
    (tmp_path / "file").write_text("")
    assert "is a file" in str(why_not_writable(tmp_path / "file" / "b"))
    # The kernel lets an administrator write there, but makes no files.
    assert "/proc is not writable" in str(why_not_writable(Path("/proc/a/b")))
    assert "is not writable" in str(why_not_writable(tmp_path / ("x" * 300)))
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_no_path_is_one_line():
    with pytest.raises(KerasnetsError, match="data_dir must be text or a path, not 5"):
        expanded(5, "data_dir")
