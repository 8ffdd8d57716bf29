"""The report of a folder of runs: complete, self-contained, and safe."""

import re
import shutil
import subprocess
from html import unescape
from html.parser import HTMLParser

import narrow
import numpy as np
import pytest
from evaluated_runs import add_confusion, made
from made_runs import CLASSES, labels, make_run

from kerasnets import runs
from kerasnets.cli.commands import run as _run
from kerasnets.diagnosis import diagnose as module
from kerasnets.errors import RunError
from kerasnets.report import missing_diagnoses
from kerasnets.report.sections.repeating import environment
from kerasnets.report.sources import read_sources
from kerasnets.storage.files import write_text

COLLAPSED = {"class": "1", "share": 0.995}
HOSTILE = '<script>document.title="taken"</script>"><img src=x onerror=alert(1)>'


class Reader(HTMLParser):
    """Collects tags, and addresses that would be fetched."""

    def __init__(self):
        super().__init__()
        self.tags, self.sources = [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        named = dict(attributes)
        assert not any(name.startswith("on") for name in named), named
        self.sources += [named[n] for n in ("src", "href", "srcset") if n in named]


def report(folder, *options) -> str:
    assert _run(["report", str(folder), *options]) == 0
    return (folder / "report.html").read_text(encoding="utf-8")


@pytest.fixture
def folder(tmp_path):
    made(tmp_path / "first")
    made(tmp_path / "second", wrong=range(90), seed=1)
    return tmp_path


def test_the_page_needs_nothing_else(folder):
    text = report(folder)
    reader = Reader()
    reader.feed(text)
    assert reader.sources
    assert all(source.startswith(("#", "data:image/png;")) for source in reader.sources)
    assert "link" not in reader.tags and "@import" not in text and "url(" not in text
    assert "default-src 'none'" in unescape(text)


def test_it_shows_accuracies_tests_and_confused_classes(folder):
    text = report(folder)
    assert "88.89%" in text and "75.00%" in text  # 320 and 270 of 360
    assert "1 of 1 pairs on the same test images differ" in text
    counts = np.bincount(labels()[:40], minlength=10)
    most = int(counts.argmax())
    assert f"true {most}, predicted {(most + 1) % 10}: {counts[most]} of" in text
    assert 'class="pixels"' in text  # the digits are always at hand
    assert "kerasnets fit resnet18 --dataset digits" in text
    assert 'data-label="Median epoch (s)">10.0<' in text
    assert "first: 90.00% (epoch 2, 20 s)" in text


def test_a_single_run_has_a_report(tmp_path):
    made(tmp_path / "alone")
    assert "alone: 90.00%" in report(tmp_path)


def test_runs_that_are_not_evaluated_have_curves(tmp_path):
    make_run(tmp_path / "one", wrong=None)
    make_run(tmp_path / "none", wrong=None, accuracies=())
    text = report(tmp_path)
    assert "one: 90.00%" in text
    assert "No finished epoch: none." in text


def test_a_collapsed_run_is_named_with_the_command_that_explains_it(
    tmp_path, monkeypatch, capsys
):
    made(tmp_path / "flat", metrics={"collapsed": COLLAPSED})
    monkeypatch.setattr(module, "diagnose", None)  # nothing is trained unasked
    text = report(tmp_path)
    assert "flat collapsed; --diagnose trains to see why." in capsys.readouterr().out
    assert report(tmp_path, "--no-diagnose") == text
    assert "Why did ResNet-18 fail?" in text
    assert "kerasnets diagnose resnet18 --dataset digits" in text


def test_a_collapsed_run_is_diagnosed_once(tmp_path, monkeypatch, capsys):
    diagnose, to_try = module.diagnose, module.to_try
    monkeypatch.setattr(module, "diagnose", lambda *a, **b: diagnose(*a, steps=1, **b))
    monkeypatch.setattr(module, "to_try", lambda *a, **b: to_try(*a, **b)[:3])
    made(tmp_path / "flat", metrics={"collapsed": COLLAPSED})
    said = []
    monkeypatch.setattr("click.echo", lambda line, **named: said.append(line))
    with narrow.narrowed():
        text = report(tmp_path, "--diagnose")
    # How long it takes is said before anything is trained.
    assert re.match(r"flat collapsed: .* takes about \d+ ", said[0])
    assert said[1].startswith("flat: 1 of 3")
    monkeypatch.undo()
    assert "3 of 3 trials are finished" in text
    assert 'data-label="with batch norm">' in text
    monkeypatch.setattr(module, "diagnose", None)
    assert report(tmp_path) == report(tmp_path, "--diagnose") == text
    # One that was interrupted is made anew.
    file = tmp_path / "diagnoses" / "flat" / "diagnosis.json"
    runs.write_json(file, {**runs.read_json(file), "planned": 4})
    monkeypatch.setattr(module, "diagnose", refuse)
    assert "3 of 4 trials are finished" in report(tmp_path)
    assert _run(["report", str(tmp_path), "--diagnose"]) == 2
    assert "the disk is full." in capsys.readouterr().err


def test_no_data_is_fetched_to_diagnose_unasked(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(missing_diagnoses, "expected_s", refuse)
    made(tmp_path / "runs" / "flat", metrics={"collapsed": COLLAPSED})
    recipe = tmp_path / "runs" / "flat" / "recipe.json"
    runs.write_json(recipe, {**runs.read_json(recipe), "dataset": "kmnist"})
    options = ["--data-dir", str(tmp_path / "none")]
    text = report(tmp_path / "runs", *options)
    assert "has not been diagnosed" in text
    assert _run(["report", str(tmp_path / "runs"), "--diagnose", *options]) == 2
    assert "the disk is full" in capsys.readouterr().err


def refuse(*_, **__):
    raise RunError("the disk is full.")


def hostile(tmp_path):
    folder = tmp_path / "<script>x"
    names = (HOSTILE, "</td></table>", *CLASSES[2:])
    for number in range(2):
        run = make_run(
            folder / f"<img src=x onerror=alert(1)>{number}",
            wrong=range(40 + number),
            environment={
                "class_names": list(names),
                "device_name": HOSTILE,
                "dataset_note": HOSTILE,
            },
            metrics={"dataset_note": HOSTILE},
        )
        add_confusion(run, names)
    return folder


def test_hostile_names_stay_text(tmp_path):
    text = report(hostile(tmp_path))
    reader = Reader()
    reader.feed(text)
    assert reader.tags.count("script") == 1
    assert all(source.startswith(("#", "data:image/png;")) for source in reader.sources)
    assert "&lt;script&gt;document.title" in text


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["missing"], "there is no folder missing"),
        (["."], "is not a run folder"),
        (["study", "--out", "nowhere/report.html"], "no folder nowhere"),
        (["study", "--out", "study"], "study is a folder"),
    ],
)
def test_bad_input_is_one_line(arguments, says, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    if arguments[0] == "study":
        made(tmp_path / "study" / "run")
    before = sorted(tmp_path.rglob("*"))
    assert _run(["report", *arguments]) == 2
    error = capsys.readouterr().err
    assert says in error and len(error.strip().splitlines()) == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_a_damaged_run_leaves_the_earlier_report(folder, capsys):
    before = report(folder)
    write_text(folder / "first" / "predictions.csv", "nothing\n1\n")
    assert _run(["report", str(folder)]) == 2
    assert "predictions.csv" in capsys.readouterr().err
    assert (folder / "report.html").read_text(encoding="utf-8") == before


# Presses the keyboard's way through a chart, a legend and a matrix, and says what
# was seen in the title.
_TRY_IT = """
<script>
addEventListener("load", () => {
  const key = (target, name) =>
    target.dispatchEvent(new KeyboardEvent("keydown", {key: name, bubbles: true}));
  const plot = document.querySelector(".plot");
  key(plot, "ArrowRight");
  key(plot, "ArrowRight");
  const read = plot.querySelector(".tip").textContent;
  document.querySelector("[data-toggle]").click();
  const hidden = document.querySelectorAll(".series.off").length;
  const cell = document.querySelector(".matrix td[title]");
  cell.focus();
  key(cell, "ArrowRight");
  const says = document.querySelector(".says").textContent;
  const wide = document.documentElement.scrollWidth > innerWidth;
  document.body.dataset.seen = [read, hidden, says, wide].join(" | ");
});
</script>
"""


def browse(path, width: int) -> tuple[str, str]:
    """The page's elements after its scripts have run, and what the console says."""
    found = subprocess.run(
        [
            str(BROWSER),
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--enable-logging=stderr",
            f"--user-data-dir={path.parent / 'profile'}",
            f"--window-size={width},900",
            "--dump-dom",
            path.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    console = [line for line in found.stderr.splitlines() if "CONSOLE" in line]
    return found.stdout, "\n".join(console)


BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
needs_browser = pytest.mark.skipif(not BROWSER, reason="needs Chromium to look at it")


@needs_browser
@pytest.mark.parametrize("width", [500, 1280])
def test_a_browser_reads_values_out_without_an_error(folder, width):
    text = report(folder)
    _, console = browse(folder / "report.html", width)
    assert console == ""
    # The page runs no script but its own, so the trial's page has no such policy.
    tried = folder / "tried.html"
    tried.write_text(
        re.sub(r"<meta http-equiv[^>]*>", "", text).replace(
            "</body>", f"{_TRY_IT}</body>"
        )
    )
    page, console = browse(tried, width)
    assert console == ""
    seen = re.search(r'data-seen="([^"]*)"', page)
    assert seen is not None
    read, hidden, says, wide = seen[1].split(" | ")
    assert "first: 0.1000 (epoch 2, 20 s)second: 0.1000 (epoch 2, 20 s)" in read
    assert hidden == "4"  # a line in each of four charts
    assert says.startswith("true 0, predicted 1:")
    assert wide == "false"


@needs_browser
def test_a_browser_runs_nothing_that_is_in_a_name(tmp_path):
    folder = hostile(tmp_path)
    report(folder)
    page, console = browse(folder / "report.html", 900)
    assert console == ""
    assert "<title>Runs: " in page  # where one of them ran, "taken"


def test_runs_of_one_machine_share_their_table(tmp_path):
    for name, threads, start in (("a", 2, 3.5), ("b", 2, 4.25), ("c", 1, 3.5)):
        recorded = {"threads": threads, "start_s": start, "history_columns": [name]}
        make_run(tmp_path / name, environment=recorded)
    machines = environment(read_sources(tmp_path))["machines"]
    assert [labels for labels, _ in machines] == [["a", "b"], ["c"]]
    assert {row[0] for row in machines[0][1].rows} == {
        *("device_name", "packages", "threads")
    }
