"""Names of the engines; `kerasnets.engines.choice` explains them."""

ENGINES = ("auto", "keras", "torch_graph", "torch_compile", "torch_cuda_graph")
