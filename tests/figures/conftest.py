"""A trained run, as `tests/trained_run.py` makes it."""

import pytest
from trained_run import make_run

from kerasnets.runs import Run


@pytest.fixture
def run(tmp_path) -> Run:
    return make_run(tmp_path / "run")
