"""kerasnets explain: which pixels a prediction depends on."""

import sys
from pathlib import Path

import click

from kerasnets.cli.options import Name, data_dir_option, device_option, say_data_dir
from kerasnets.errors import command, shown

METHODS = ("grad-cam", "grad-cam++", "integrated-gradients", "occlusion")


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("images", metavar="[IMAGE|FOLDER|GLOB|-]...", nargs=-1)
@click.option(
    "--method",
    type=Name("method", METHODS),
    default="grad-cam",
    show_default=True,
    metavar="|".join(METHODS),
    help="Attribution method.",
)
@click.option(
    "--class",
    "class_name",
    metavar="NAME",
    help="The class to explain.  [default: the predicted class of each image]",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder for the pictures.  [default: explanations/ in the run folder for the "
    "run's mistakes, else artifacts/explanations/ and the run's name]",
)
@device_option
@data_dir_option
def explain(
    run: Path,
    images: tuple[str, ...],
    method: str,
    class_name: str | None,
    out: Path | None,
    device: str,
    data_dir: Path | None,
) -> None:
    """Show which pixels a prediction depends on.

    RUN is a run folder, or the name of one under artifacts/runs. Without images, the
    most confident mistakes on the test images are explained, and reports show them.
    Each picture shows the image as the network sees it, and next to it the same under
    a map: the brighter a pixel, the more it supports the class.

    \b
    Examples:
      kerasnets explain mnist-vgg19-bn
      kerasnets explain mnist-vgg19-bn seven.png --class 1 --method occlusion
    """
    from kerasnets import runs
    from kerasnets.runs.explanations import FILE, FOLDER
    from kerasnets.runs.trained import check_trained
    from kerasnets.storage.folders import check_folder

    chosen = runs.load(run)
    check_trained(chosen)
    say_data_dir(chosen.recipe.dataset, data_dir)
    named = Path("artifacts/explanations") / chosen.path.resolve().name
    folder = out or (named if images else chosen.path / FOLDER)
    check_folder(folder, (), FILE)

    from kerasnets.compute.execution import Execution
    from kerasnets.inference.classifier import load
    from kerasnets.inference.explain import explain as explaining
    from kerasnets.inference.files import image_files

    files = image_files(images, sys.stdin.buffer)
    classifier = load(chosen, execution=Execution(device, data_dir=data_dir))
    if files:
        found = explaining.explain(
            classifier,
            files,
            method=method,
            class_name=class_name,
            names=["-" if isinstance(file, bytes) else file for file in files],
        )
    else:
        found = explaining.mistakes(
            classifier, method=method, class_name=class_name, data_dir=data_dir
        )
    if not found:
        click.echo("no test image is classified incorrectly: nothing to explain")
        return

    from kerasnets.inference.explain.pictures import write_pictures

    paths = write_pictures(found, folder, method=method)
    for path, one in zip(paths, found, strict=True):
        true = f", true {shown(one.label)}" if one.label else ""
        click.echo(
            f"{shown(path)}: {shown(one.name)}: {shown(one.prediction)} "
            f"({one.confidence:.1%}){true}"
        )
    if not files and out is None:
        click.echo(f"next: {command('kerasnets', 'report', chosen.path.parent)}")
