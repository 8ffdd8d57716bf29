"""Tables on a terminal or in a pipe: no cell is cut, however narrow the screen."""

import pytest
from rich.console import Console

from kerasnets.cli.tables import print_table
from kerasnets.text import Table

LONG = "a-run-with-a-name-that-is-longer-than-any-of-these-screens"
TABLE = Table(("run", "state", "epochs"), ((LONG, "complete", "3/3"),), ("state",))


@pytest.mark.parametrize("width", [20, 40, 200])
@pytest.mark.parametrize("wrap", [False, True])
def test_every_cell_is_shown(width, wrap):
    screen = Console(width=width)
    with screen.capture() as captured:
        print_table(TABLE, "One run.", wrap=wrap, screen=screen)
    told = "".join(captured.get().split())
    assert all(cell in told for cell in (*TABLE.rows[0], "Onerun."))


def test_a_pipe_is_as_wide_as_the_table(capsys):
    print_table(TABLE)
    heading, row = capsys.readouterr().out.splitlines()
    assert heading.split() == ["run", "state", "epochs"]
    assert row.split() == [LONG, "complete", "3/3"]
