"""kerasnets summary: the layers of a network."""

from typing import Any

import click

from kerasnets.cli.options import architecture_options, named, network_argument


@click.command()
@network_argument
@architecture_options
@click.option("--image-size", type=click.IntRange(min=1), default=32, show_default=True)
@click.option("--channels", type=click.IntRange(min=1), default=3, show_default=True)
@click.option("--classes", type=click.IntRange(min=2), default=10, show_default=True)
def summary(
    network: str, image_size: int, channels: int, classes: int, **options: Any
) -> None:
    """Print the layers of a network.

    \b
    Example:
      kerasnets summary resnet34 --stem cifar
    """
    fields = named(options)
    if "glorot" in fields:
        raise click.UsageError(
            "--glorot has no effect: it sets the initial weights, which a summary does "
            "not show."
        )
    from kerasnets.compute import runtime
    from kerasnets.networks import build_model

    with runtime.session("cpu"):
        model = build_model(
            network,
            input_shape=(image_size, image_size, channels),
            num_classes=classes,
            data_format="channels_last",
            **fields,
        )
        model.summary(line_length=88)
        rates = {layer.rate for layer in model.layers if hasattr(layer, "rate")}
        click.echo(f"dropout {max(rates, default=0):g}")
