"""Replace a model's call by its lowered graph.

`fit`, `evaluate`, `predict`, callbacks, metrics and saving remain Keras's; only the
computation from images to logits changes.
"""

from collections.abc import Callable
from typing import Any

import keras
import torch

from kerasnets.engines.torch_graph.captured_step import CapturedStep
from kerasnets.engines.torch_graph.graph import TorchGraph
from kerasnets.engines.torch_graph.kept_gradients import KeptGradients
from kerasnets.engines.torch_graph.update import fused_sgd
from kerasnets.engines.torch_graph.update.train_step import adds_no_loss, training_step
from kerasnets.engines.torch_graph.values import parameter


def install(
    model: keras.Model,
    *,
    compiled: bool = False,
    captured: bool = False,
    batch_size: int | None = None,
) -> TorchGraph:
    """Make `model` run through a `TorchGraph`, and return that.

    Args:
        compiled: whether to use torch.compile, once for training and once for inference
            with the shape of the first batch; batches of another shape, such as an
            epoch's last, run uncompiled.
        captured: whether to capture a compiled Keras model's training step as a CUDA
            graph.
        batch_size: of the training batches that are compiled for. Default: that of the
            first, which in a resumed run may be an epoch's last.

    Raises:
        ValueError: the model is not functional with one input and one output.
    """
    original = model.call
    # torch.compile optimizes a block's single operations better than a fused block.
    graph = TorchGraph(model, blocks=not compiled)
    run = _compiled(graph, batch_size) if compiled else graph

    def call(inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        symbolic = isinstance(inputs, keras.KerasTensor)
        if not symbolic:
            inputs = keras.ops.convert_to_tensor(inputs)
        # Keras infers shapes with symbolic and "meta" tensors.
        if symbolic or inputs.device.type == "meta":
            return original(inputs, training=training, mask=mask)
        if replayed is not None and not training:
            replayed.note_writes()
        return run(inputs, training=bool(training))

    replayed: CapturedStep | None = None
    model.call = call
    if model.compiled and model.optimizer.built:
        _store_alike(model)
        if fused_sgd.fits(model.optimizer) and _each_layer_once(model):
            _fuse_steps(model, graph, keep=not compiled)
    if model.compiled and captured:
        replayed = CapturedStep(model, model.train_step, graph.dropouts)
        model.train_step = replayed
    return graph


def _fuse_steps(model: keras.Model, graph: TorchGraph, *, keep: bool) -> None:
    """In the model's training steps only, update all weights in one pass and, with
    `keep`, keep gradients out of `.grad` where that saves memory traffic."""
    kept = KeptGradients()
    own = type(model).train_step is not keras.Model.train_step
    keep = keep and not own  # a user's own step may use the gradients
    # Early updates use gradients while they are in the cache. A GPU does not profit
    # from this, and prefers one large update.
    early = adds_no_loss(model) and parameter(model.weights[0]).device.type == "cpu"
    fused = fused_sgd.FusedSGD(model.optimizer, kept, early=early)
    step = model.train_step if own else training_step(model)
    apply = model.optimizer.apply

    inside = False

    def fused_train_step(data: Any) -> Any:
        nonlocal inside
        inside, graph.kept = True, kept if keep else None
        fused.begin()
        try:
            return step(data)
        finally:
            inside, graph.kept = False, None

    def fused_apply(grads: Any, trainable_variables: Any = None) -> None:
        (fused.apply if inside else apply)(grads, trainable_variables)

    model.train_step = fused_train_step
    model.optimizer.apply = fused_apply


def _each_layer_once(model: keras.Model) -> bool:
    """Whether no layer is used twice, which would require summing its gradients."""
    layers = [
        node.operation for nodes in model._nodes_by_depth.values() for node in nodes
    ]
    return len({id(layer) for layer in layers}) == len(layers)


def _compiled(graph: TorchGraph, batch_size: int | None) -> Callable[..., torch.Tensor]:
    shapes: dict[bool, torch.Size] = {}
    faster = torch.compile(graph, dynamic=False)

    def run(images: torch.Tensor, *, training: bool) -> torch.Tensor:
        if training and batch_size not in (None, len(images)):
            return graph(images, training=training)
        if shapes.setdefault(training, images.shape) != images.shape:
            return graph(images, training=training)
        drawn = [one for one in graph.dropouts if training and not one.holding]
        for dropout in drawn:
            dropout.hold(len(images))
            dropout.draw_held()
        try:
            return faster(images, training=training)
        finally:
            for dropout in drawn:
                dropout.holding = False

    return run


def _store_alike(model: keras.Model) -> None:
    """Store the optimizer's momenta in the memory order of their weights, so that
    updates access memory sequentially. Shapes and values do not change."""
    weights = [weight.value for weight in model.trainable_weights]
    # Step count and learning rate come first, then one slot per weight, kind by kind.
    slots = [v.value for v in model.optimizer.variables if v.shape != ()]
    for first in range(0, len(slots), len(weights)):
        group = slots[first : first + len(weights)]
        if [slot.shape for slot in group] != [weight.shape for weight in weights]:
            return
        for slot, weight in zip(group, weights, strict=True):
            slot.data = torch.empty_like(weight).copy_(slot)
