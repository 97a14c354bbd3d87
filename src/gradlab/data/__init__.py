"""FashionMNIST and CIFAR-10: which arrays there are, whether they are there, and how a notebook opens them.

`identity` says which bytes are the data. `fetch` finds them in a source (`published` files on this machine, the `official`
hosts, `packages`) and keeps them in the user's cache; `decode` reads the formats they come in. `prepare` writes the arrays,
`load` opens them, `gradlab check-data` reads every byte of them again.
`gradlab data PLAN.json NAME` fetches and prepares one data set.

The workflow imports this package at every start: NumPy is imported where arrays are opened.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gradlab.data.load import Dataset, DatasetError, load_cifar10, load_fashion_mnist
from gradlab.files import PROJECT, sha256

__all__ = [
    "DATASETS",
    "PREPARING",
    "Dataset",
    "DatasetError",
    "DatasetInfo",
    "digest_preparing",
    "is_outdated",
    "load_cifar10",
    "load_fashion_mnist",
]


@dataclass(frozen=True)
class DatasetInfo:
    """What is prepared of a data set.

    Attributes
    ----------
    title
        What readers call it.
    arrays
        The files of its arrays.
    """

    title: str
    arrays: tuple[str, ...]

    @property
    def files(self) -> tuple[str, ...]:
        """All files of a folder of prepared data; the last of them, `manifest.json`, is written last."""
        return ("dataset.json", *self.arrays, "manifest.json")


_ARRAYS = ("train_images.npy", "train_labels.npy", "test_images.npy", "test_labels.npy")

DATASETS: Mapping[str, DatasetInfo] = {
    "fashion_mnist": DatasetInfo("FashionMNIST", _ARRAYS),
    "cifar10": DatasetInfo("CIFAR-10", (*_ARRAYS, "train_images_float32.npy", "test_images_float32.npy")),
}

_PACKAGE = Path(__file__).parent
# The modules on which the prepared arrays depend beside the content, relative to the project; how the content was found does
# not matter, since its digest is checked.
PREPARING = tuple((_PACKAGE / name).relative_to(PROJECT).as_posix() for name in ("prepare.py", "decode.py"))


def digest_preparing() -> dict[str, str]:
    """Return the SHA-256 of each module in `PREPARING`, as a manifest holds them."""
    return {file: sha256(PROJECT / file) for file in PREPARING}


def is_outdated(folder: str | Path) -> bool:
    """Tell whether a folder holds no prepared data set, or one that was prepared by other code than there is."""
    try:
        manifest = json.loads((Path(folder) / "manifest.json").read_text(encoding="utf-8"))
        return bool(manifest["inputs"] != digest_preparing())
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return True
