"""`gradlab check-data` reads every byte of the prepared arrays: too slow for every cell that opens them.

It needs the folder of prepared data alone, and no plan of a study.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from gradlab.data.identity import SPECS, Spec
from gradlab.data.load import DatasetError
from gradlab.files import sha256


def check_arrays(spec: Spec, directory: str | Path) -> None:
    """Raise `DatasetError` unless a folder holds the arrays as they were prepared, every byte of them.

    Parameters
    ----------
    spec
        The data set.
    directory
        The folder into which it was prepared. Its `dataset.json` says which content the arrays were made from and which
        SHA-256 each has; its own digest stands in `manifest.json`, and in the manifest of every cell.

    Raises
    ------
    DatasetError
        Saying that nothing was prepared, naming the first file that is missing or changed, or saying that `dataset.json`
        describes something else.
    """
    directory = Path(directory)
    if not (directory / "manifest.json").exists():
        raise DatasetError(f"{directory} does not hold {spec.name}, or not all of it: prepare it with `make data`")
    try:
        described = json.loads((directory / "dataset.json").read_text(encoding="utf-8"))
        if described["name"] != spec.name or described["content"] != {file.name: file.digest for file in spec.files}:
            raise ValueError(f"dataset.json describes other content than that of {spec.name}")
        digests = json.loads((directory / "manifest.json").read_text(encoding="utf-8"))["outputs"]
        for name, digest in [
            *digests.items(),
            *((name, entry["sha256"]) for name, entry in described["arrays"].items()),
        ]:
            found = sha256(directory / name)
            if found != digest:
                raise ValueError(f"{name} has sha256 {found[:12]}…, but was written with {digest[:12]}…")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DatasetError(
            f"{directory} does not hold {spec.name} as it was prepared ({type(error).__name__}: {error}); remove the "
            "folder, write it again with `make data`, and run the cells again that have read it since it was changed"
        ) from error


def main(arguments: Sequence[str] | None = None) -> int:
    """Check every data set; print a line on each and return 1 unless all are whole."""
    parser = argparse.ArgumentParser(prog="gradlab check-data", description="Check the prepared data.")
    parser.add_argument("folder", type=Path, nargs="?", default="results/data", help="default: %(default)s")
    folder = parser.parse_args(arguments).folder
    faults = 0
    for name, spec in SPECS.items():
        try:
            check_arrays(spec, folder / name)
            print(f"{name}: every byte in {folder / name} is as it was prepared")
        except DatasetError as error:
            faults += 1
            print(error, file=sys.stderr)
    return min(faults, 1)
