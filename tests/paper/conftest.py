"""A scale at which a study's row trains in seconds."""

import pytest

from kerasnets.paper import scales
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
def tiny(monkeypatch) -> str:
    """The name of the scale."""
    scale = Scale("for tests", {"mnist": _CHANGES, "cifar10": _CHANGES})
    monkeypatch.setitem(scales.SCALES, "tiny", scale)
    return "tiny"
