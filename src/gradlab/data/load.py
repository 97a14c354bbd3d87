"""Opens the arrays that `prepare` wrote, memory-mapped and read-only, so that all cells share one copy in memory."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


class DatasetError(RuntimeError):
    """A data set that could not be had; the message says why and what to do."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """A training and a test set.

    Attributes
    ----------
    train_images, test_images
        FashionMNIST: uint8 of shape (n, 28, 28), grey levels 0 to 255. CIFAR-10: float64 or float32 of shape (n, 3072),
        each image standardised, its red plane first, row by row.
    train_labels, test_labels
        int64 of shape (n,), classes 0 to 9.
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray


def load_fashion_mnist(directory: str | Path) -> Dataset:
    """Return the prepared FashionMNIST (source: F §2).

    Parameters
    ----------
    directory
        The folder into which the data set was prepared.

    Returns
    -------
    Dataset
        Images uint8, (60000, 28, 28) and (10000, 28, 28); labels int64. All read-only and memory-mapped.

    Raises
    ------
    DatasetError
        Where the folder does not hold the whole prepared data set.
    """
    return _load(Path(directory), "fashion_mnist", images="{split}_images.npy")


def load_cifar10(directory: str | Path, dtype: str = "float64") -> Dataset:
    """Return the prepared CIFAR-10, each image standardised by its own mean and standard deviation (source: C).

    Parameters
    ----------
    directory
        The folder into which the data set was prepared.
    dtype
        `float64`, or `float32` for the same values rounded.

    Returns
    -------
    Dataset
        Images of that dtype, (50000, 3072) and (10000, 3072), the training batches 1 to 5 in order; labels int64. All
        read-only and memory-mapped.

    Raises
    ------
    DatasetError
        Where the folder does not hold the whole prepared data set.
    ValueError
        For any other dtype.
    """
    if dtype not in ("float64", "float32"):
        raise ValueError(f"CIFAR-10 is prepared as float64 and as float32; got dtype {dtype!r}")
    suffix = "" if dtype == "float64" else "_float32"
    return _load(Path(directory), "cifar10", images=f"{{split}}_images{suffix}.npy")


def _load(directory: Path, name: str, *, images: str) -> Dataset:
    try:
        arrays = json.loads((directory / "dataset.json").read_text(encoding="utf-8"))
        if arrays["name"] != name:
            raise ValueError(f"it holds {arrays['name']}")
        opened = {
            f"{split}_{kind}": _open(directory / pattern.format(split=split), arrays["arrays"])
            for split in ("train", "test")
            for kind, pattern in (("images", images), ("labels", "{split}_labels.npy"))
        }
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:  # the last for JSON nested deeply
        raise DatasetError(
            f"{directory} does not hold the prepared data set {name} ({type(error).__name__}: {error}); remove what "
            "is there and write it with `make data`"
        ) from error
    return Dataset(**opened)


def _open(path: Path, arrays: dict[str, Any]) -> np.ndarray:
    import numpy as np

    try:
        mapped = np.lib.format.open_memmap(path, mode="r")  # never a pickle or an archive, which np.load would open
    except OSError:
        raise
    except Exception as error:  # whatever Python's own parser raises at a damaged header
        raise ValueError(f"{path.name} is no array: {error}") from error
    expected = arrays[path.name]
    if list(mapped.shape) != expected["shape"] or mapped.dtype != expected["dtype"] or not mapped.flags.c_contiguous:
        raise ValueError(
            f"{path.name} is {mapped.dtype} {mapped.shape}, where dataset.json says "
            f"{expected['dtype']} {tuple(expected['shape'])}, row by row"
        )
    if (size := path.stat().st_size) != mapped.offset + mapped.nbytes:
        raise ValueError(f"{path.name} has {size:,} bytes, expected {mapped.offset + mapped.nbytes:,}")
    return mapped.view(np.ndarray)  # still mapped; np.memmap makes every indexing slower
