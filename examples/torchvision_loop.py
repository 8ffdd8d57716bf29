"""Train torchvision's ResNet with the recipe and the images of a kerasnets run.

    python examples/torchvision_loop.py RUN --out torchvision.json

A plain PyTorch loop, written without kerasnets's training code: for ResNets with the
options that `--preset modern` sets. Only the recipe and the split are taken from the
run, so that both test on the same images. OUT receives the test accuracy; OUT.pt, a
checkpoint after each epoch, lets a second call continue.
"""

import argparse
import functools
import json
import time
from pathlib import Path

import numpy as np
import torch
import torchvision
from torch import nn
from torchvision.transforms import v2

import kerasnets
from kerasnets.datasets import load_for
from kerasnets.datasets.splits import partition

# Options that this loop follows, where they differ from `--preset modern`.
FOLLOWED = {
    *("preset", "stem", "epochs", "batch_size", "seed", "limit", "classes", "cutout"),
    *("image_size", "resize", "background", "augment", "validation", "test_fraction"),
    *("learning_rate", "momentum", "nesterov", "weight_decay", "label_smoothing"),
    "precision",
}


def network(recipe, classes: int, channels: int) -> nn.Module:
    model = getattr(torchvision.models, recipe.network)(num_classes=classes)
    if recipe.stem == "cifar":
        model.conv1 = nn.Conv2d(channels, 64, 3, padding=1, bias=False)
        model.maxpool = nn.Identity()
    elif channels != 3:
        model.conv1 = nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)
    return model.to(memory_format=torch.channels_last)


def augmentation(recipe) -> v2.Compose:
    size = recipe.image_size
    steps = {
        "none": [v2.Identity()],
        "flip": [v2.RandomHorizontalFlip()],
        "crop-flip": [v2.RandomCrop(size, padding=4), v2.RandomHorizontalFlip()],
        "resized-crop": [
            v2.RandomResizedCrop(size, antialias=True),
            v2.RandomHorizontalFlip(),
        ],
    }
    return v2.Compose(steps[recipe.augment])


def cut_out(images: torch.Tensor, side: int) -> torch.Tensor:
    """Zero a square of `side` pixels in each normalized image [N, C, H, W]."""
    height, width = images.shape[2:]
    for image in images:
        top = int(torch.randint(height, ())) - side // 2
        left = int(torch.randint(width, ())) - side // 2
        rows = slice(max(top, 0), top + side)
        image[:, rows, max(left, 0) : left + side] = 0
    return images


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    recipe = kerasnets.load_run(options.run).recipe
    others = set(recipe.departures()) - FOLLOWED
    if recipe.precision == "mixed_float16":  # would need a GradScaler
        others.add("precision")
    if recipe.preset != "modern" or not recipe.network.startswith("resnet") or others:
        parser.error(
            "the run must be of a ResNet with --preset modern"
            + (f", without {', '.join(sorted(others))}" if others else "")
        )
    autocast = functools.partial(
        torch.autocast,
        torch.device(options.device).type,
        torch.bfloat16,
        enabled=recipe.precision == "mixed_bfloat16",
    )
    dataset = load_for(recipe)
    parts = partition(dataset, recipe)

    def tensors(subset):
        images = np.ascontiguousarray(subset.split.images[subset.indices])
        labels = torch.from_numpy(subset.split.labels[subset.indices])
        return torch.from_numpy(images).permute(0, 3, 1, 2), labels

    images, labels = tensors(parts.train)
    mean, std = (
        torch.tensor(values, dtype=torch.float32).view(-1, 1, 1)
        for values in (dataset.mean, dataset.std)
    )
    torch.manual_seed(recipe.seed)
    model = network(recipe, len(dataset.class_names), images.shape[1])
    model.to(options.device)
    optimizer = torch.optim.SGD(
        model.parameters(),
        recipe.learning_rate,
        recipe.momentum,
        weight_decay=recipe.weight_decay,
        nesterov=recipe.nesterov,
    )
    steps = -(-len(labels) // recipe.batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        recipe.learning_rate,
        total_steps=recipe.epochs * steps,
        cycle_momentum=False,
    )
    average = torch.optim.swa_utils.AveragedModel(
        model,
        # As TensorFlow's ExponentialMovingAverage with num_updates.
        avg_fn=lambda old, new, count: torch.lerp(
            new, old, min(recipe.ema, (1 + count) / (10 + count))
        ),
        use_buffers=True,
    )
    loss_of = nn.CrossEntropyLoss(label_smoothing=recipe.label_smoothing)
    augment = augmentation(recipe)
    trained = {
        "model": model,
        "average": average,
        "optimizer": optimizer,
        "schedule": schedule,
    }
    checkpoint, first, seconds = options.out.with_suffix(".pt"), 0, 0.0
    if checkpoint.exists():
        state = torch.load(checkpoint)
        for name, part in trained.items():
            part.load_state_dict(state[name])
        first, seconds = state["epoch"], state["seconds"]
        torch.set_rng_state(state["random"])
    for epoch in range(first, recipe.epochs):
        begin = time.perf_counter()
        model.train()
        for rows in torch.randperm(len(labels)).split(recipe.batch_size):
            batch = torch.stack([augment(images[row]) for row in rows])
            batch = cut_out((batch / 255 - mean) / std, recipe.cutout)
            batch = batch.contiguous(memory_format=torch.channels_last)
            with autocast():
                logits = model(batch.to(options.device))
            loss = loss_of(logits.float(), labels[rows].to(options.device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            average.update_parameters(model)
        seconds += time.perf_counter() - begin
        print(f"epoch {epoch + 1}/{recipe.epochs}: loss {loss.item():.4f}", flush=True)
        state = {name: part.state_dict() for name, part in trained.items()}
        state |= {"epoch": epoch + 1, "seconds": seconds}
        torch.save(state | {"random": torch.get_rng_state()}, checkpoint)
    average.eval()
    images, labels = tensors(parts.test)
    with torch.no_grad(), autocast():
        found = torch.cat(
            [
                average(((part / 255 - mean) / std).to(options.device)).argmax(1).cpu()
                for part in images.split(256)
            ]
        )
    result = {
        "accuracy": (found == labels).double().mean().item(),
        "images": len(labels),
        "network": recipe.network,
        "epochs": recipe.epochs,
        "seed": recipe.seed,
        "precision": recipe.precision,
        "seconds": seconds,
        "torchvision": torchvision.__version__,
        "torch": torch.__version__,
        "device": options.device,
    }
    options.out.write_text(json.dumps(result, indent=1) + "\n")
    print(f"test accuracy {result['accuracy']:.2%} ({len(labels)} images)")


if __name__ == "__main__":
    main()
