import io

import pytest
from rich.console import Console

from kerasnets.training.callbacks import progress
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


def test_the_estimate_is_of_steps_alone_even_over_an_epochs_end(monkeypatch):
    now = 0.0
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now)
    out = io.StringIO()
    reporter = ProgressReporter(
        NORMAL, train_images=6, batch_size=1, to=Console(file=out, width=100)
    )
    reporter.set_params({"epochs": 3, "steps": 6})
    reporter.on_train_begin()
    logs = {"loss": 1.0, "accuracy": 0.5, "val_loss": 1.0, "val_accuracy": 0.5}
    for epoch in range(3):
        reporter.on_epoch_begin(epoch)
        for step in range(6):
            reporter.on_train_batch_begin(step)
            now += 1
            reporter.on_train_batch_end(step, logs)
        reporter.on_test_begin()
        now += 1000  # compiles the network, say
        reporter.on_epoch_end(epoch, logs)
    assert "about 12 s for 2 epochs at 1.0 images/s" in out.getvalue()
