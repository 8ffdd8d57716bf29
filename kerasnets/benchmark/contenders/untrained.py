"""A network with random weights, as `predict` and `export` take a trained one."""

from pathlib import Path

from kerasnets.benchmark.work import CLASSES
from kerasnets.compute.execution import Execution
from kerasnets.datasets.preprocessing import Preprocessing
from kerasnets.inference.classifier import Classifier
from kerasnets.networks.from_recipe import from_recipe
from kerasnets.networks.published import MEAN, STD
from kerasnets.recipe import Recipe
from kerasnets.recipe.fields import REDUCED
from kerasnets.runs import Run


def untrained(
    network: str, image_size: int, execution: Execution, *, channels: int = 3
) -> Classifier:
    """A classifier of photographs, without a run folder.

    Args:
        network: a name; batch norm on, head and stem "imagenet".
        image_size: height and width in pixels.
        execution: how it computes.
        channels: 1 or 3.
    """
    recipe = Recipe.for_paper(
        network, "cifar10", image_size=image_size, channels=channels, batch_norm=True
    )
    with execution.begin() as (_, engine):
        model = from_recipe(recipe, (image_size, image_size, channels), CLASSES)
        steps = Preprocessing(
            input_name=model.inputs[0].name,
            data_format="channels_last",
            mode="RGB" if channels == 3 else "L",
            height=image_size,
            width=image_size,
            resampling="bilinear",
            scale=1 / 255,
            mean=MEAN[:channels],
            std=STD[:channels],
            output="logits",
            class_names=tuple(map(str, range(CLASSES))),
            resize="crop",
            background="white",
            decode=REDUCED,
        )
        return Classifier(Run(Path(network), recipe), model, steps, execution, engine)
