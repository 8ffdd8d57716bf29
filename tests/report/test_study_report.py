"""The report of a study of the paper's rows."""

import dataclasses
import json
import re
from pathlib import Path

import pytest
from evaluated_runs import made

from kerasnets import runs
from kerasnets.cli.commands import kerasnets
from kerasnets.cli.study.tables import print_study
from kerasnets.networks import cost
from kerasnets.paper import assumptions, files, scales
from kerasnets.paper.assumptions import ASSUMPTIONS
from kerasnets.paper.plan import begin, plan
from kerasnets.paper.rows import PAPER
from kerasnets.recipe import Recipe
from kerasnets.report.commands import fit_command, reproduce_command
from kerasnets.report.page import page
from kerasnets.report.render import verdict_mark
from kerasnets.report.sections.failure import read_diagnoses, undiagnosed
from kerasnets.report.sections.paper import paper_row
from kerasnets.report.sources import read_sources

ROOT = Path(__file__).parents[2]


def test_a_study_just_begun_has_its_plan_and_the_papers_numbers(tmp_path):
    study = plan(tmp_path / "study", scale="quick", assumptions={"momentum": 0.0})
    begin(study)
    text = page(read_sources(study.path))
    for row in PAPER.values():
        assert f"{row.test_accuracy:.2f} %" in text
    assert "0 of 9 runs are finished" in text
    assert "9 are not comparable" in text
    assert "not a reproduction of the paper" in text
    assert "Assumptions changed: momentum 0.0" in text
    assert "kerasnets reproduce --scale quick --momentum 0.0 mnist-densenet121" in text
    assert "144 million" in text  # the paper's text, checked


def test_the_scale_is_not_called_scaled_down_where_it_is_the_papers(tmp_path):
    study = plan(tmp_path / "study", scale="paper")
    begin(study)
    assert "This is a scaled-down run" not in page(read_sources(study.path))
    assert reproduce_command(study, "x") == "kerasnets reproduce --scale paper x"


def headings(text: str) -> list[str]:
    """Headings, captions and what is pointed at by its name, of HTML or Markdown."""
    return re.findall(
        r"<(?:h\d|caption|summary|dt|th)[^>]*>(.*?)</|^#+ (.*)$", text, re.MULTILINE
    )


def test_a_study_on_other_data_is_headed_by_what_was_measured(
    tmp_path, monkeypatch, capsys
):
    study = plan(tmp_path / "smoke", scale="smoke")
    begin(study)
    machine = {"threads": 1, "backend": "torch", "engine": "keras"}
    counts = {"validation_images": 25, "trainable_parameters": 1}
    monkeypatch.setattr(cost, "_cost", lambda *network: cost.Cost(1, 1))
    for planned in study.runs:
        made(planned.folder, environment={**machine, **counts})
        runs.write_text(planned.folder / "recipe.json", planned.recipe.to_json())
        (planned.folder / "examples.png").touch()
    results = files.write(study)
    text, markdown = page(read_sources(study.path)), (study.path / "results.md")
    for found in (text, markdown.read_text()):
        # What the paper left unsaid is about its datasets.
        of_ours = re.sub('(?s)<section[^>]*id="assumptions".*?</section>', "", found)
        named = [a or b for a, b in headings(of_ours)]
        assert any("Table 1 on Digits instead of MNIST" in one for one in named)
        for one in named:
            # The paper's own numbers and what others report are of its datasets.
            if re.search("mnist|cifar", one, re.IGNORECASE) and "others" not in one:
                assert "Digits" in one, one
    assert "Highest test accuracy, Digits, for the paper&#39;s CIFAR-10" in text
    assert "Test losses of our 9 runs on Digits" in text
    for row in PAPER:
        assert f"{row} (Digits)" in text
    assert {row["dataset"] for row in runs.read_csv(study.path / "results.csv")} == {
        "digits"
    }
    print_study(results)
    assert capsys.readouterr().out.count("(Digits)") == len(PAPER)


def test_a_study_on_the_papers_data_is_headed_as_the_papers(tmp_path):
    study = plan(tmp_path / "study", scale="quick")
    begin(study)
    text = page(read_sources(study.path))
    assert "Table 1: MNIST<" in text
    assert "Table 2: CIFAR-10<" in text
    assert "Digits" not in "".join(a or b for a, b in headings(text))


@pytest.mark.parametrize(
    "recipe",
    [
        *(row.recipe for row in PAPER.values()),
        Recipe.for_paper("vgg19", "mnist", batch_norm=True, head="compact", limit=6000),
        Recipe.for_paper("resnet18", "digits", batch_norm=False, validation="test"),
        Recipe.for_paper("resnet18", "digits", glorot="normal"),
        Recipe.for_paper(
            "densenet121",
            "cifar10",
            growth_rate=12,
            augment="none",
            learning_rate=0.1,
            momentum=0.0,
            warmup=1.5,
            schedule="cosine",
            precision="mixed_bfloat16",
            initial_weights="backend",
        ),
    ],
    ids=lambda recipe: recipe.name,
)
def test_the_command_of_a_run_makes_its_recipe(recipe):
    from kerasnets.cli.options import named

    words = fit_command(recipe).split()
    command = kerasnets.commands["fit"]
    options = command.make_context("fit", words[2:]).params
    fields = {field.name for field in dataclasses.fields(Recipe)} | {
        "no_augment",
        "glorot_normal",
    }
    chosen = named({k: v for k, v in options.items() if k in fields})
    made_again = Recipe.for_paper(
        chosen.pop("network"), chosen.pop("dataset"), **chosen
    )
    assert made_again == recipe


def test_runs_are_held_against_the_row_that_they_are_of():
    modified = PAPER["mnist-vgg19-modified"].recipe
    smaller = dataclasses.replace(modified, limit=6000, epochs=4, head="compact")
    assert paper_row(smaller) == "mnist-vgg19-modified"
    assert paper_row(dataclasses.replace(modified, dropout=0.1)) is None
    assert verdict_mark("agrees: the intervals overlap") == "agrees"
    assert verdict_mark("12.5") is None


def test_a_diagnosis_in_the_folder_is_shown(tmp_path):
    made(tmp_path / "flat", metrics={"collapsed": {"class": "1", "share": 1.0}})
    sources = read_sources(tmp_path)
    assert len(undiagnosed(sources, ())) == 1
    folder = tmp_path / "diagnoses" / "resnet18"
    folder.mkdir(parents=True)
    trial = {
        "variant": "batch norm + Glorot",
        "learning_rate": 0.001,
        "momentum": 0.9,
        "outcome": "learning",
        "train_loss": 0.5,
        "loss": 0.25,
        "accuracy": 0.875,
        "most_predicted": "<b>",
        "most_predicted_share": 0.125,
        "prediction_entropy": 1.0,
        "seconds": 2.0,
    }
    values = {
        "recipe": dataclasses.asdict(sources.records[0].run.recipe),
        "steps": 30,
        "planned": 8,
        "verdict": "The <i>gradient</i> is 10^-4 of the logits'.",
        "ablation": [trial],
    }
    runs.write_json(folder / "diagnosis.json", values)
    found = read_diagnoses(tmp_path)
    assert undiagnosed(sources, found) == ()
    del values["recipe"]["initial_weights"]  # as it was before it was recorded
    runs.write_json(folder / "diagnosis.json", values)
    assert read_diagnoses(tmp_path)[0].recipe.initial_weights == "backend"
    text = page(sources)
    assert "1 of 8 trials" in text and "first 30 steps" in text and "87.50%" in text
    assert "The &lt;i&gt;gradient" in text and "12.5% &lt;b&gt;" in text


@pytest.mark.parametrize("text", ["{}", "[]", json.dumps({"recipe": {"a": 1}})])
def test_a_damaged_diagnosis_is_named(tmp_path, text):
    from kerasnets.errors import RunError

    folder = tmp_path / "diagnoses" / "x"
    folder.mkdir(parents=True)
    (folder / "diagnosis.json").write_text(text)
    with pytest.raises(RunError, match=r"diagnosis\.json"):
        read_diagnoses(tmp_path)


@pytest.mark.parametrize("one", ASSUMPTIONS, ids=lambda one: one.what)
def test_each_assumption_has_a_switch_that_there_is(one):
    there = {
        name
        for command in ("fit", "reproduce")
        for parameter in kerasnets.commands[command].params
        for name in (*parameter.opts, *parameter.secondary_opts)
    }
    named = re.findall(r"--[a-z-]+", one.switch)
    assert set(named) <= there
    assert named or one.switch == "every option"


def test_the_page_of_assumptions_is_current():
    found = (ROOT / "docs" / "assumptions.md").read_text(encoding="utf-8")
    command = "python -m kerasnets.paper.assumptions > docs/assumptions.md"
    assert found == assumptions.page(), f"run: {command}"


def test_what_a_study_may_change_is_in_the_list():
    assert scales.ASSUMPTIONS == ("momentum", "weight_decay", "schedule", "validation")
