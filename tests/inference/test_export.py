"""Files for other programs: run by these, they say what the run says."""

import json
import os
import subprocess
import sys
from pathlib import Path

import narrow
import numpy as np
import pytest
from backend_here import not_under, only_under
from trained_run import make_run

import kerasnets
from kerasnets import datasets, runs
from kerasnets.catalog.networks import NETWORKS
from kerasnets.cli.commands import run as _run
from kerasnets.cli.use.export import FORMATS as OFFERED
from kerasnets.errors import ExportError, RunError
from kerasnets.inference.export import export as exporting
from kerasnets.inference.export.export import export
from kerasnets.inference.export.formats import FORMATS
from kerasnets.networks import build_model
from kerasnets.networks.pretrained import load_torchvision_weights, torchvision_weights

not_tensorflow = not_under("tensorflow")
only_torch = only_under("torch")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A network of convolutions and batch norms; it standardizes its images."""
    recipe = kerasnets.Recipe.for_paper(
        "resnet18",
        "digits",
        image_size=8,
        epochs=1,
        limit=100,
        batch_size=50,
        normalize="standardize",
        stem="cifar",
    )
    path = tmp_path_factory.mktemp("trained") / "run"
    with narrow.narrowed():
        return kerasnets.fit(recipe, path, device="cpu", verbosity=0)


@pytest.fixture(scope="module")
def onnx_file(trained, tmp_path_factory):
    pytest.importorskip("onnxruntime")
    return export(trained, "onnx", tmp_path_factory.mktemp("onnx") / "net.onnx")


def expected(run, images):
    return kerasnets.load(run, device="cpu").predict(images).probabilities


@only_torch
def test_onnx_runs_without_kerasnets_and_keras(trained, onnx_file, tmp_path):
    assert (onnx_file.changed, onnx_file.images) == (0, 256)
    assert onnx_file.largest_difference < 1e-4
    images = np.asarray(datasets.load("digits", image_size=8).test.images[:5])
    np.save(tmp_path / "images.npy", images)
    code = (
        "import json, sys, numpy, onnxruntime\n"
        f"images = numpy.load({str(tmp_path / 'images.npy')!r})\n"
        f"session = onnxruntime.InferenceSession({str(onnx_file.path)!r})\n"
        "(given,) = session.get_inputs()\n"
        "one, = session.run(['probabilities'], {'images': images[:1]})\n"
        "all, = session.run(['probabilities'], {'images': images})\n"
        "assert 'kerasnets' not in sys.modules and 'keras' not in sys.modules\n"
        "meta = session.get_modelmeta().custom_metadata_map\n"
        "print(json.dumps([given.type, given.shape[1:], one.tolist(), all.tolist(), "
        "meta]))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    kind, shape, one, all_, meta = json.loads(result.stdout)
    assert (kind, shape) == ("tensor(uint8)", [8, 8, 1])
    assert np.array(all_) == pytest.approx(expected(trained, images), abs=1e-4)
    assert np.array(one) == pytest.approx(np.array(all_[:1]), abs=1e-5)
    assert json.loads(meta["class_names"]) == list("0123456789")
    assert json.loads(meta["recipe"])["network"] == "resnet18"
    assert meta["input"].startswith("grey, 0 to 255; resized to 8x8 pixels")
    assert json.loads(meta["preprocessing"])["mean"] == list(
        kerasnets.load(trained, device="cpu").preprocessing.mean
    )


@only_torch
def test_a_card_stands_beside_the_file(onnx_file):
    card = onnx_file.card.read_text(encoding="utf-8")
    assert onnx_file.card == onnx_file.path.with_name("net.onnx.md")
    assert card.startswith("---\nlibrary_name:")
    assert 'onnxruntime.InferenceSession("net.onnx")' in card


@only_torch
def test_int8_is_measured_against_float32(trained, tmp_path):
    pytest.importorskip("onnxruntime")
    made = export(trained, "onnx", tmp_path / "small.onnx", int8=True)
    import onnx

    kinds = {node.op_type for node in onnx.load(str(made.path)).graph.node}
    assert "QuantizeLinear" in kinds
    one = made.quantized
    assert one is not None
    assert 0 <= one.accuracy <= 1 and one.images_per_s > 0
    assert abs(one.accuracy - one.float_accuracy) < 0.2
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "small.onnx",
        "small.onnx.md",
    ]


@only_torch
def test_torch_export_takes_any_number_of_images(trained, tmp_path, recwarn):
    import torch

    made = export(trained, "torch-export", tmp_path / "net.pt2")
    assert not [one for one in recwarn if one.category is UserWarning]
    assert (made.changed, made.images) == (0, 256)
    extra = {"kerasnets.json": ""}
    program = torch.export.load(made.path, extra_files=extra)
    images = np.asarray(datasets.load("digits", image_size=8).test.images[:3])
    found = program.module()(torch.from_numpy(images)).detach().numpy()
    assert found == pytest.approx(expected(trained, images), abs=1e-5)
    assert json.loads(extra["kerasnets.json"])["class_names"]


@pytest.mark.parametrize(
    ("form", "file", "beside"),
    [
        pytest.param("openvino", "net.xml", ["net.bin"], marks=only_torch),
        pytest.param("saved-model", "net", [], marks=only_under("tensorflow")),
        pytest.param("litert", "net.tflite", [], marks=only_under("tensorflow")),
    ],
)
def test_other_formats_say_what_the_run_says(trained, tmp_path, form, file, beside):
    for package in FORMATS[form].packages:
        pytest.importorskip(package)
    made = export(trained, form, tmp_path / file)
    assert (made.changed, made.images) == (0, 256)
    assert made.largest_difference < 1e-4
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == sorted([file, *beside, f"{file}.md"])


@only_torch
@pytest.mark.parametrize("form", ["safetensors", "torch-export", "onnx"])
def test_it_is_written_and_checked_on_the_cpu(
    form, trained, tmp_path, monkeypatch, narrow_networks
):
    """Where there is an accelerator, Keras's default device is that."""
    pytest.importorskip("onnxruntime")
    monkeypatch.setattr("keras.src.backend.torch.core.DEFAULT_DEVICE", "meta")
    made = export(trained, form, tmp_path / f"net{FORMATS[form].ending}")
    assert (made.changed, made.images) == (0, 256)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
@pytest.mark.parametrize("name", ["net.safetensors", "net.safetensors.md"])
def test_a_pipe_is_not_overwritten(name, trained, tmp_path):
    os.mkfifo(tmp_path / name)
    with pytest.raises(RunError, match="is a pipe or a device"):
        export(trained, "safetensors", tmp_path / "net.safetensors", overwrite=True)
    assert [(one.name, one.is_fifo()) for one in tmp_path.iterdir()] == [(name, True)]


def test_safetensors_has_the_names_of_torchvision(trained, tmp_path, narrow_networks):
    from safetensors import safe_open

    made = export(trained, "safetensors", tmp_path / "net.safetensors")
    assert made.changed == 0
    with safe_open(made.path, "np") as file:
        names = {"conv1.weight", "layer1.1.bn2.running_var", "layer4.0.bn2.running_var"}
        assert set(file.keys()) >= names
        assert file.get_tensor("fc.weight").shape == (10, 32)
        meta = file.metadata()
    assert json.loads(meta["class_names"]) == list("0123456789")


@pytest.mark.parametrize(
    "name",
    [pytest.param("vgg11", marks=pytest.mark.slow), "resnet50", "densenet121"],
)
@pytest.mark.parametrize("head", [{}, {"variant": True}], ids=["imagenet", "small"])
def test_torchvision_weights_are_the_inverse(name, head, narrow_networks):
    family = NETWORKS[name].family
    named = {"head": "compact"} if family == "vgg" else {"stem": "cifar"}
    model = build_model(name, (32, 32, 1), 3, seed=1, **(named if head else {}))
    for variable in model.variables:
        if "moving" in variable.path:
            variable.assign(np.random.default_rng(0).random(variable.shape))
    weights = torchvision_weights(model)
    other = build_model(name, (32, 32, 1), 3, seed=2, **(named if head else {}))
    load_torchvision_weights(other, weights)
    for one, two in zip(model.get_weights(), other.get_weights(), strict=True):
        if one.dtype.kind == "f":
            assert np.array_equal(one, two)


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_torchvision_itself_takes_the_file(name, tmp_path):
    models = pytest.importorskip("torchvision.models")
    import torch
    from safetensors.torch import load_file, save_file

    for norm in (False, True) if NETWORKS[name].family == "vgg" else (None,):
        model = build_model(name, (32, 32, 3), 10, batch_norm=norm, seed=0)
        weights = torchvision_weights(model)
        save_file(
            {key: torch.from_numpy(value) for key, value in weights.items()},
            tmp_path / "net.safetensors",
        )
        twin = getattr(models, f"{name}_bn" if norm else name)(num_classes=10).eval()
        twin.load_state_dict(load_file(tmp_path / "net.safetensors"))
        images = np.random.default_rng(0).random((2, 32, 32, 3)).astype("float32")
        with torch.no_grad():
            theirs = twin(torch.from_numpy(images).permute(0, 3, 1, 2)).numpy()
        ours = model.predict_on_batch(images)
        assert theirs == pytest.approx(np.asarray(ours), abs=1e-4)


def test_a_file_that_predicts_other_classes_is_not_kept(
    trained, tmp_path, monkeypatch, narrow_networks
):
    monkeypatch.setattr(
        exporting.formats, "load_torchvision_weights", lambda model, weights: None
    )
    with pytest.raises(ExportError, match=r"another class than the run.*not kept"):
        export(trained, "safetensors", tmp_path / "net.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_mixed_precision_is_exported_in_float32(tmp_path, narrow_networks):
    recipe = kerasnets.Recipe.for_paper(
        "resnet18",
        "digits",
        image_size=8,
        epochs=1,
        limit=60,
        batch_size=30,
        stem="cifar",
        precision="mixed_bfloat16",
    )
    run = kerasnets.fit(recipe, tmp_path / "run", device="cpu", verbosity=0)
    made = export(run, "safetensors", tmp_path / "net.safetensors")
    assert made.changed == 0
    assert made.largest_difference < 1e-5


def test_the_commands_formats_are_those_that_there_are():
    assert sorted(OFFERED) == sorted(FORMATS)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("--format onxn", "Did you mean 'onnx'"),
        pytest.param(
            "--format saved-model", "KERAS_BACKEND=tensorflow", marks=not_tensorflow
        ),
        pytest.param(
            "--format litert", "KERAS_BACKEND=tensorflow", marks=not_tensorflow
        ),
        pytest.param(
            "--format openvino", "pip install 'kerasnets[openvino]'", marks=only_torch
        ),
        ("--format safetensors --int8", "--int8 is for the format onnx"),
        pytest.param(
            "--format onnx --out x.pt", "--out x.pt must end in .onnx", marks=only_torch
        ),
        ("--format safetensors --out there.safetensors", "--overwrite replaces it"),
        ("--format safetensors --out file/x.safetensors", "is a file, not a folder"),
    ],
)
def test_what_cannot_be_exported_is_one_line(
    arguments, says, capsys, tmp_path, monkeypatch
):
    if "openvino" in arguments:
        monkeypatch.setattr(exporting.formats, "find_spec", lambda name: None)
    monkeypatch.chdir(tmp_path)
    make_run(tmp_path / "run")
    Path("there.safetensors").write_text("years of work")
    Path("file").write_text("")
    before = sorted(path for path in tmp_path.rglob("*"))
    status = _run(["export", "run", *arguments.split(), "--data-dir", "x"])
    out, err = capsys.readouterr()
    assert (status, out, len(err.splitlines())) == (2, "", 1), err
    assert says in err
    assert sorted(path for path in tmp_path.rglob("*")) == before


def test_a_network_without_torchvisions_names_is_one_line(tmp_path, capsys):
    run = make_run(tmp_path / "run")
    words = ["export", run.path, "--format", "safetensors", "--out"]
    status = _run([*map(str, words), str(tmp_path / "x.safetensors")])
    assert status == 2
    assert "is not a network of kerasnets.build_model" in capsys.readouterr().err
    assert not list(tmp_path.glob("*.safetensors"))


def test_a_card_tells_the_metrics_with_intervals(run, capsys, tmp_path):
    from kerasnets.evaluation.evaluate import evaluate

    status = _run(["card", str(run.path)])
    out = capsys.readouterr().out
    assert status == 0
    assert "The run is not evaluated" in out
    metrics = evaluate(run, device="cpu")
    assert _run(["card", str(run.path), "--out", str(tmp_path / "card.md")]) == 0
    card = (tmp_path / "card.md").read_text(encoding="utf-8")
    assert f"{metrics['accuracy']:.2%} (95 % interval: " in card
    assert "By class, hardest first" in card
    head = card.split("---\n")[1]
    assert '"pipeline_tag"' not in head and "pipeline_tag: " in head
    index = json.loads(head.partition("model-index: ")[2].splitlines()[0])
    assert index[0]["results"][0]["metrics"][0]["value"] == metrics["accuracy"]
    assert _run(["card", str(run.path), "--out", str(tmp_path / "card.md")]) == 2
    assert "exists" in capsys.readouterr().err
    assert _run(["card", str(run.path), "--out", str(tmp_path / "no" / "c.md")]) == 2
    assert f"there is no folder {tmp_path / 'no'} for" in capsys.readouterr().err
    assert runs.load(run.path).path == run.path
