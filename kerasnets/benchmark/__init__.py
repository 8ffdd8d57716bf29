"""Benchmarks against plain PyTorch: interleaved processes, ratios with intervals."""
