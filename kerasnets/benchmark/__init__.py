"""Side by side with plain PyTorch: one run, interleaved, with intervals."""
