"""Published results of these networks on CIFAR-10.

Each entry is quoted from its source, unless `note` says otherwise. None uses the
paper's training: all have higher, decaying learning rates, more epochs, and first
layers for 32×32 images.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Reference:
    """One published accuracy on CIFAR-10's 10,000 test images.

    Attributes:
        network: a name from `kerasnets.catalog.networks.NETWORKS`.
        accuracy: in percent.
        parameters: in millions as stated in the source, or None.
        head, stem: the layers after and before the stages.
        epochs: number of training epochs.
        source: repository and files.
        note: a remark for readers, or "".
    """

    network: str
    accuracy: float
    parameters: float | None
    head: str
    stem: str
    epochs: int
    source: str
    note: str = ""


_HUYVNPHAN = "github.com/huyvnphan/PyTorch_CIFAR10: README.md, train.py, data.py"
_OPTIMISTIC = "optimistic: the best epoch on the test split, which it monitors"

REFERENCES = (
    Reference(
        network="vgg19",
        accuracy=93.34,
        parameters=20.04,
        head="one dense layer",
        stem="3×3, as every VGG",
        epochs=164,
        source="github.com/bearpaw/pytorch-classification: README.md, TRAINING.md",
        note="with batch norm; printed as 6.66 % error; head inferred from parameters",
    ),
    Reference(
        network="vgg19",
        accuracy=93.95,
        parameters=38.959,
        head="global pool, two dense layers of 4096",
        stem="3×3, as every VGG",
        epochs=100,
        source=_HUYVNPHAN,
        note=f"with batch norm; {_OPTIMISTIC}; head inferred from parameters",
    ),
    Reference(
        network="resnet34",
        accuracy=93.34,
        parameters=21.282,
        head="global pool, one dense layer",
        stem="3×3/1, then max-pool",
        epochs=100,
        source=_HUYVNPHAN,
        note=_OPTIMISTIC,
    ),
    Reference(
        network="densenet121",
        accuracy=94.06,
        parameters=6.956,
        head="global pool, one dense layer",
        stem="3×3/1, then max-pool",
        epochs=100,
        source=_HUYVNPHAN,
        note=_OPTIMISTIC,
    ),
    Reference(
        network="densenet121",
        accuracy=95.04,
        parameters=None,
        head="4×4 average pool, one dense layer",
        stem="3×3/1, no pool",
        epochs=350,
        source="github.com/kuangliu/pytorch-cifar: README.md, models/densenet.py",
    ),
)
