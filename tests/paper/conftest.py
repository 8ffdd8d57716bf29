"""A scale at which a study's row trains in seconds."""

import sys

import narrow
import pytest
import warm_python

from kerasnets.paper import scales
from kerasnets.paper.reproduction import side_by_side
from kerasnets.paper.scales import Scale

_CHANGES = {
    "dataset": "digits",
    "network": "resnet18",
    "batch_norm": True,
    "growth_rate": None,
    "limit": 60,
    "epochs": 1,
    "batch_size": 18,
}


@pytest.fixture
def tiny(monkeypatch):
    """The name of the scale; its networks are narrow."""
    scale = Scale("for tests", {"mnist": _CHANGES, "cifar10": _CHANGES})
    monkeypatch.setitem(scales.SCALES, "tiny", scale)
    with narrow.narrowed():
        yield "tiny"


@pytest.fixture
def quick_processes(monkeypatch) -> None:
    """Those of a run have narrow networks too, and start with Keras imported."""
    monkeypatch.setattr(sys, "executable", warm_python.executable())
    monkeypatch.setattr(side_by_side, "_COMMAND", "narrow_run_process")
