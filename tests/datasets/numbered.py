"""What the processes of test_workers.py make. They import this file: nothing heavy is
imported."""

import os
import time

import numpy as np


def numbers(epoch: int, index: int) -> np.ndarray:
    return np.array([epoch, index, os.getpid()])


def slow(epoch: int, index: int) -> np.ndarray:
    if (epoch, index) == (0, 2):
        time.sleep(600)
    return np.array([epoch, index])


def faulty(epoch: int, index: int) -> np.ndarray:
    if index == 2:
        raise ValueError("the third is damaged")
    return np.array([epoch, index])


def growing(epoch: int, index: int) -> np.ndarray:
    """8 to 40 bytes."""
    return np.arange(index + 1) + 10 * epoch
