"""Checks prepared arrays byte by byte, which is too slow for every cell that opens them: 2.2 GB for CIFAR-10."""

import json
from pathlib import Path

from gradlab.datasets.identity import Spec
from gradlab.datasets.load import DatasetError
from gradlab.files import sha256


def check_arrays(spec: Spec, directory: str | Path) -> None:
    """Raise `DatasetError` unless a folder holds the arrays as they were prepared, every byte of them.

    Parameters
    ----------
    spec
        The data set.
    directory
        The folder into which it was prepared. Its `dataset.json` says which content the arrays were made from and which
        SHA-256 each has; its own digest stands in the manifest of every cell.

    Raises
    ------
    DatasetError
        Naming the first array that is missing or changed, or saying that `dataset.json` describes something else.
    """
    directory = Path(directory)
    try:
        described = json.loads((directory / "dataset.json").read_text(encoding="utf-8"))
        if described["name"] != spec.name or described["content"] != {file.name: file.digest for file in spec.files}:
            raise ValueError(f"dataset.json describes other content than that of {spec.name}")
        for name, entry in described["arrays"].items():
            found = sha256(directory / name)
            if found != entry["sha256"]:
                raise ValueError(f"{name} has sha256 {found[:12]}…, but was written with {entry['sha256'][:12]}…")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DatasetError(
            f"{directory} does not hold {spec.name} as it was prepared ({type(error).__name__}: {error}); remove the "
            "folder, write it again with `snakemake` or `python -m gradlab.datasets PLAN.json "
            f"{spec.name}`, and run the cells again that have read it since it was changed"
        ) from error
