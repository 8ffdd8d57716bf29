"""The choices that the paper leaves open, and ours.

The report shows them, and docs/assumptions.md is generated from them:

    python -m kerasnets.paper.assumptions > docs/assumptions.md
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Assumption:
    """One choice that the paper leaves open.

    Attributes:
        what: the choice.
        paper: the paper's wording, or "not mentioned".
        chosen, why: our choice and its reason.
        switch: the option that changes it.
        field: the recipe field that a study may change in every row and still be
            compared with the paper; "" if there is none.

    Options are in backticks, as in the page.
    """

    what: str
    paper: str
    chosen: str
    why: str
    switch: str
    field: str = ""


ASSUMPTIONS = (
    Assumption(
        "Momentum of SGD",
        '"SGD"',
        "0.9",
        "the pair learning rate 0.001 and momentum 0.9 is that of PyTorch's own "
        "CIFAR-10 tutorial, whose library the paper used",
        "`--momentum 0`",
        field="momentum",
    ),
    Assumption(
        "Weight decay",
        "not mentioned",
        "0",
        "not mentioned; ours is part of the gradient, as in torch.optim.SGD",
        "`--weight-decay`",
        field="weight_decay",
    ),
    Assumption(
        "Label smoothing",
        "not mentioned",
        "0",
        '"categorical cross Entropy"',
        "`--label-smoothing`",
    ),
    Assumption(
        "Learning-rate schedule",
        "not mentioned",
        "constant",
        '"set to 0.001"',
        "`--schedule`, `--warmup`",
        field="schedule",
    ),
    Assumption(
        '"Xavier" initialization',
        "normal or uniform not specified",
        "uniform, every convolution and dense kernel, biases 0",
        "Glorot & Bengio's normalized initialization (their equation 16) is the "
        "uniform one",
        "`--glorot-normal`, `--no-glorot`",
    ),
    Assumption(
        "Original initialization",
        '"as in [12]"',
        "torchvision's: He-normal, fan-out for VGG and ResNet, fan-in for "
        "DenseNet; dense layers N(0, 0.01) for VGG, U(±1/√fan-in) for the others",
        "the paper used torchvision's networks",
        "`--glorot`",
    ),
    Assumption(
        "Dropout of the modified ResNet-34",
        '0.2 "in the last fully connected layer"',
        "one dropout of 0.2 before it",
        "dropout after the logits would be useless",
        "`--dropout`",
    ),
    Assumption(
        "Dropout of VGG-19",
        "not mentioned",
        "0.5 twice in the classifier",
        "torchvision's",
        "`--dropout`",
    ),
    Assumption(
        "Dropout of DenseNet-121",
        '"incorporates both batch normalization and dropouts"',
        "0",
        'torchvision\'s, "no modification to the original code"',
        "`--dropout`",
    ),
    Assumption(
        "Size of VGG-19",
        '"around 144 million parameters"',
        "torchvision's VGG-19 with its last layer for 10 classes: 139.6 million",
        "144 million is VGG-19 for ImageNet's 1,000 classes",
        "`--head compact`",
    ),
    Assumption(
        "First layers of ResNet and DenseNet",
        "not mentioned",
        "7×7/2 convolution and 3×3/2 max-pool, even on 32×32 images",
        '"following the same architecture"',
        "`--stem cifar`",
    ),
    Assumption(
        "Channels of MNIST",
        "not mentioned",
        "1: the first convolution takes one channel",
        "repeating it adds no information",
        "`--channels 3`",
    ),
    Assumption(
        "Horizontal flip of MNIST",
        '"flipping it horizontally"',
        "at random with probability 1/2, training images only",
        "testing on mirrored digits would measure something else",
        "`--augment`, `--no-augment`",
    ),
    Assumption(
        "Normalization of MNIST",
        '"to the range [0,1]"',
        "divide by 255",
        "the range it names",
        "`--normalize`",
    ),
    Assumption(
        "Normalization of CIFAR-10",
        '"normalizing pixels"',
        "subtract the training split's mean and divide by its standard deviation,"
        " per channel",
        "the usual reading; the numbers are computed from the data",
        "`--normalize`",
    ),
    Assumption(
        "Random crop of CIFAR-10",
        '"padding of 4 and a random 32 × 32 pixel"',
        "padded with black, before normalization",
        "torchvision's `RandomCrop`",
        "`--augment`",
    ),
    Assumption(
        "Batch size",
        '"generally 128 for MNIST and 64 for CIFAR-10"',
        "these",
        '"generally" is taken as always',
        "`--batch-size`",
    ),
    Assumption(
        "Validation set",
        '"the validation set is used to monitor"',
        "a stratified tenth of the training images, held out by seed",
        "the paper's split is not given; its figures may show the test split",
        "`--validation 0.2`, `--validation test`",
        field="validation",
    ),
    Assumption(
        "Which epoch is tested",
        "not mentioned",
        "the last",
        "nothing is selected, so nothing is selected on the test split",
        "`reproduce` also tests the best on the validation images; `--validation test` "
        "records the test accuracy after every epoch",
    ),
    Assumption(
        "Seeds",
        "not mentioned",
        "one run each, seed 0",
        "the paper gives no spread",
        "`--seed`; `reproduce --seeds`",
    ),
    Assumption(
        "Precision",
        "not mentioned",
        "float32",
        "PyTorch's default",
        "`--precision`",
    ),
    Assumption(
        "Datasets that the paper does not use",
        "",
        "grey images follow its MNIST protocol, others its CIFAR-10 protocol",
        "its two datasets are the nearest of each kind",
        "`--protocol`, every option",
    ),
    Assumption(
        "Datasets without a labelled test split",
        "",
        "the validation split or, without one, a stratified tenth of the training "
        "images, drawn by seed and excluded from training",
        "no network is tested on its training images",
        "`--test-fraction`",
    ),
    Assumption(
        "Networks that the paper does not use",
        "",
        "epochs of their family: DenseNet 15 and 40, others 20 and 50",
        "",
        "`--epochs`",
    ),
)


def page() -> str:
    """The content of docs/assumptions.md."""
    # Imported here: options of commands use the list, and do not need Jinja.
    from kerasnets.paper.pages import render

    return render("assumptions.md.j2", assumptions=ASSUMPTIONS)


if __name__ == "__main__":
    print(page(), end="")
