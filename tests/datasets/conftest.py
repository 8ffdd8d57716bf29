"""Decoded caches of these tests stay in their temporary folders."""

import pytest


@pytest.fixture(autouse=True)
def user_cache(tmp_path_factory, monkeypatch):
    """The user's cache folder, which does not exist yet."""
    folder = tmp_path_factory.mktemp("user") / "cache"
    monkeypatch.setenv("KERASNETS_CACHE", str(folder))
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    return folder
