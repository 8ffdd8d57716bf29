"""kerasnets export: a trained network in another format."""

from pathlib import Path

import click

from kerasnets.cli.options import Name, data_dir_option, say_data_dir
from kerasnets.errors import shown

FORMATS = ("onnx", "safetensors", "torch-export", "saved-model", "litert", "openvino")


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "form",
    type=Name("format", FORMATS),
    required=True,
    metavar="|".join(FORMATS),
    help="Format of the file.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="The file.  [default: in artifacts/exports, with the run's name]",
)
@click.option(
    "--int8",
    is_flag=True,
    help="Quantize to 8-bit integers, calibrated on training images; ONNX only.",
)
@click.option("--overwrite", is_flag=True, help="Replace existing files.")
@data_dir_option
def export(
    run: Path,
    form: str,
    out: Path | None,
    int8: bool,
    overwrite: bool,
    data_dir: Path | None,
) -> None:
    """Write a trained network for another program.

    RUN is a run folder, or the name of one under artifacts/runs. The file takes uint8
    images [N, H, W, C] of the network's size, normalizes them itself and returns
    probabilities. It is checked on test images before it is put in place, next to a
    model card.

    \b
    Examples:
      kerasnets export mnist-vgg19-bn --format onnx
      kerasnets export mnist-vgg19-bn --format onnx --int8 --out small.onnx
      kerasnets export mnist-vgg19-bn --format safetensors
    """
    from kerasnets import runs

    chosen = runs.load(run)
    from kerasnets.inference.export.export import export as write
    from kerasnets.text import file_size, percent, rate

    made = write(chosen, form, out, int8=int8, overwrite=overwrite, data_dir=data_dir)
    files = [made.path, *made.path.rglob("*")]
    size = file_size(sum(file.stat().st_size for file in files if file.is_file()))
    say_data_dir(chosen.recipe.dataset, data_dir)
    click.echo(f"{shown(made.path)} ({size}), {shown(made.card)}")
    ties = f", {made.ties} ties turned round" if made.ties else ""
    click.echo(
        f"{made.images} test images in {made.runtime}: largest difference of "
        f"probabilities {made.largest_difference:.2g}, {made.changed} changed "
        f"predictions{ties}"
    )
    if made.quantized:
        one = made.quantized
        click.echo(
            f"accuracy {percent(one.accuracy)} with 8 bits, "
            f"{percent(one.float_accuracy)} with float32; {rate(one.images_per_s)} and "
            f"{rate(one.float_images_per_s)} images/s"
        )
