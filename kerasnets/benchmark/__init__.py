"""Side by side with plain PyTorch: in processes that take turns, with intervals."""
