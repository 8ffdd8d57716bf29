"""The notebook of the tutorial runs from its first cell to its last."""

import json
import re
import shlex
from pathlib import Path

from kerasnets.cli.commands import run as _run

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
SMALL = {"OPTIONS": "--image-size 16 --batch-size 16", "EPOCHS": 1}


def _as_call(line: re.Match[str]) -> str:
    return f"command({line[1]!r})"


def test_the_notebook_runs(tmp_path, monkeypatch, narrow_networks):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(EXAMPLES))
    notebook = json.loads((EXAMPLES / "own_images.ipynb").read_text(encoding="utf-8"))
    cells = ["".join(one["source"]) for one in notebook["cells"]]
    names: dict = {}

    def command(line: str) -> None:
        """What IPython does with a line that begins with "!"."""
        program, *words = shlex.split(line.format(**names))
        assert program == "kerasnets"
        if words[0] == "fit":
            words += ["--limit", "50"]
        assert _run(words) == 0, line

    names["command"] = command
    kinds = [one["cell_type"] for one in notebook["cells"]]
    for kind, cell in zip(kinds, cells, strict=True):
        if kind == "code":
            python = re.sub(r"^!(.*)$", _as_call, cell, flags=re.M)
            exec(python, names)
            names |= {name: SMALL[name] for name in SMALL if name in names}
    assert (tmp_path / "few.safetensors").is_file()
    assert (tmp_path / "few" / "weights.json").is_file()
    assert len((tmp_path / "seven.csv").read_text().splitlines()) == 160
    assert not any(one.get("outputs") for one in notebook["cells"])
