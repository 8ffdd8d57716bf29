"""Compare speed with plain PyTorch: interleaved processes, ratios with intervals."""
