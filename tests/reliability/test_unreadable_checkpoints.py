"""A checkpoint that cannot be read just now is not taken for a damaged one."""

import errno
import os

import numpy as np
import pytest
import small_run

from kerasnets.errors import RunError
from kerasnets.training import checkpoint


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), MemoryError),
        (PermissionError(errno.EACCES, os.strerror(errno.EACCES)), RunError),
        (OSError(errno.EMFILE, os.strerror(errno.EMFILE)), RunError),
        (OSError(errno.EIO, os.strerror(errno.EIO)), RunError),
    ],
)
def test_the_run_does_not_go_back(error, expected, tmp_path, monkeypatch):
    run = small_run.fit(tmp_path / "run", keep_checkpoints="all")
    files = sorted(run.checkpoint_folder.iterdir())
    assert len(files) == 3

    def refuse(*_, **__):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(np, "load", refuse)
        with pytest.raises(expected):
            checkpoint.newest(run.checkpoint_folder)
    assert checkpoint.newest(run.checkpoint_folder).epoch == 3
    assert sorted(run.checkpoint_folder.iterdir()) == files
