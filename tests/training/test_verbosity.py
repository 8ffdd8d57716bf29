import io

import pytest
from rich.console import Console

from kerasnets.training.callbacks.progress import (
    NORMAL,
    QUIET,
    VERBOSE,
    ProgressReporter,
)


def shown(verbosity: int, *, terminal: bool) -> str:
    """What is printed in an epoch of ten steps."""
    out = io.StringIO()
    reporter = ProgressReporter(
        verbosity,
        train_images=10,
        batch_size=1,
        to=Console(file=out, force_terminal=terminal, width=100, highlight=False),
    )
    reporter.set_params({"epochs": 1, "steps": 10})
    reporter.on_train_begin()
    reporter.on_epoch_begin(0)
    for step in range(10):
        reporter.on_train_batch_begin(step)
        reporter.on_train_batch_end(step, {"loss": 1.0})
    reporter.close()
    return out.getvalue()


@pytest.mark.parametrize("terminal", [False, True])
def test_verbose_shows_every_tenth_of_an_epoch(terminal):
    lines = shown(VERBOSE, terminal=terminal)
    assert "step 1/10: loss" in lines and "step 10/10: loss" in lines
    for verbosity in (QUIET, NORMAL):
        assert "step 1/10: loss" not in shown(verbosity, terminal=terminal)
