"""Writes the arrays that the notebooks open, from the verified canonical files.

The arrays are a function of the data alone: neither the source nor the machine shows in a byte of them.
"""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from gradlab.data import DATASETS, digest_preparing
from gradlab.data.decode import read_idx, read_records
from gradlab.data.identity import CIFAR10Spec, Spec
from gradlab.files import atomic_path, remove_leftovers, save_json, sha256

CHUNK = 2_000  # images standardised at once: 49 MB in float64


def standardise(pixels: np.ndarray) -> np.ndarray:
    """Standardise each image by its own mean and population standard deviation (source: C).

    Parameters
    ----------
    pixels
        uint8 of shape (n, d), an image a row.

    Returns
    -------
    ndarray of float64, shape (n, d)
        (pixel - mean) / standard deviation, both over the image's d values.

    Raises
    ------
    ValueError
        For an image whose values are all the same.
    """
    # Sums of bytes and of their squares are exact integers, so that the result is the same on every machine, in
    # whatever order it adds.
    d = pixels.shape[1]
    total = pixels.sum(axis=1, dtype=np.int64)
    squares = np.square(pixels, dtype=np.int64).sum(axis=1)
    spread = d * squares - total**2  # d² times the variance
    if not spread.all():
        raise ValueError(f"image {np.flatnonzero(spread == 0)[0]} has one value only, so it cannot be standardised")
    standardised: np.ndarray = (pixels - (total / d)[:, None]) / (np.sqrt(spread) / d)[:, None]
    return standardised


def prepare(spec: Spec, content: str | Path, destination: str | Path) -> None:
    """Write a data set's arrays, then `dataset.json`, and `manifest.json` last.

    FashionMNIST: `train_images.npy` and `test_images.npy`, uint8. CIFAR-10: the same names, float64 of shape (n, 3072),
    each image standardised, and `train_images_float32.npy` and `test_images_float32.npy`, the same rounded. Both:
    `train_labels.npy` and `test_labels.npy`, int64. `dataset.json` holds the name, the digests of the content, and
    shape, dtype and SHA-256 of every array's file; `manifest.json` the SHA-256 of it and of the code that wrote them,
    whose paths are relative to the project: projects that share a folder of data can tell whether it fits their own code.

    Parameters
    ----------
    spec
        The data set.
    content
        The folder of its canonical files, already verified.
    destination
        The folder to write; left alone where it holds everything already. Every file is renamed into place when it is
        whole; `manifest.json` stands for the whole.
    """
    content, destination = Path(content), Path(destination)
    destination.mkdir(parents=True, exist_ok=True)
    with FileLock(destination.with_name(f".{destination.name}.lock")):
        if not _is_prepared(spec, destination):  # by another project, while this one waited
            _prepare(spec, content, destination)


def _prepare(spec: Spec, content: Path, destination: Path) -> None:
    manifest, description = destination / "manifest.json", destination / "dataset.json"
    remove_leftovers(destination)
    manifest.unlink(missing_ok=True)
    description.unlink(missing_ok=True)
    write = _prepare_cifar10 if isinstance(spec, CIFAR10Spec) else _prepare_fashion_mnist
    arrays = write(spec, content, destination)
    save_json(description, {"name": spec.name, "content": _list_content(spec), "arrays": arrays})
    save_json(manifest, _make_manifest(description))


def _is_prepared(spec: Spec, destination: Path) -> bool:
    """Tell whether a folder holds everything that this code writes; of the arrays, that they are there."""
    description = destination / "dataset.json"
    try:
        manifest, described = (json.loads(file.read_text()) for file in (destination / "manifest.json", description))
        arrays = [destination / name for name in described["arrays"]]
        same = described["content"] == _list_content(spec) and manifest == _make_manifest(description)
        return same and all(array.is_file() for array in arrays)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False


def _list_content(spec: Spec) -> dict[str, str]:
    return {file.name: file.digest for file in spec.files}


def _make_manifest(description: Path) -> dict[str, Any]:
    return {"inputs": digest_preparing(), "outputs": {description.name: sha256(description)}}


def _prepare_fashion_mnist(spec: Spec, content: Path, destination: Path) -> dict[str, Any]:
    arrays: dict[str, Any] = {}
    for name, file in zip(DATASETS["fashion_mnist"].arrays, spec.files, strict=True):
        values = read_idx((content / file.name).read_bytes())
        if "labels" in name:
            values = values.astype("<i8")
        arrays |= _write_npy(destination / name, values.shape, values.dtype, [values])
    return arrays


def _prepare_cifar10(spec: Spec, content: Path, destination: Path) -> dict[str, Any]:
    arrays: dict[str, Any] = {}
    for split, files in (("train", spec.files[:-1]), ("test", spec.files[-1:])):
        batches = [read_records((content / file.name).read_bytes()) for file in files]
        labels = np.concatenate([labels for _, labels in batches]).astype("<i8")
        arrays |= _write_npy(destination / f"{split}_labels.npy", labels.shape, labels.dtype, [labels])
        shape = (len(labels), 3072)
        for suffix, dtype in (("", "<f8"), ("_float32", "<f4")):
            chunks = (
                standardise(pixels[start : start + CHUNK]).astype(dtype, copy=False)
                for pixels, _ in batches
                for start in range(0, len(pixels), CHUNK)
            )
            arrays |= _write_npy(destination / f"{split}_images{suffix}.npy", shape, np.dtype(dtype), chunks)
    return arrays


def _write_npy(path: Path, shape: tuple[int, ...], dtype: np.dtype, chunks: Iterable[np.ndarray]) -> dict[str, Any]:
    """Write an array, given in C order as chunks of rows, and return its entry in `dataset.json`."""
    digest = hashlib.sha256()
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    with atomic_path(path) as temporary:
        with temporary.open("w+b") as stream:
            np.lib.format.write_array_header_1_0(stream, header)
            stream.seek(0)
            digest.update(stream.read())
            for chunk in chunks:
                block = np.ascontiguousarray(chunk).data.cast("B")
                digest.update(block)
                stream.write(block)
    return {path.name: {"shape": list(shape), "dtype": dtype.name, "sha256": digest.hexdigest()}}
