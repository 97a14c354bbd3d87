"""Damaged and hostile data, whatever source they come from: refused in one paragraph, and nothing is left behind."""

import dataclasses
import errno
import gzip
import io
import json
import logging
import os
import pickle
import re
import subprocess
import sys
import tarfile
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from reference_datasets import (
    Hostile,
    MadeCIFAR10,
    MadeFashionMNIST,
    Server,
    idx_bytes,
    install_package_managers,
    make_cifar10,
    make_fashion_mnist,
    md5,
    row_png,
    serve_on_loopback,
    tar_gz,
    write_files,
)

from gradlab.datasets import DatasetError, archives, load_cifar10, load_fashion_mnist
from gradlab.datasets import __main__ as command
from gradlab.datasets.fetch import fetch
from gradlab.datasets.identity import SPECS
from gradlab.datasets.prepare import prepare
from gradlab.datasets.settings import FetchSettings

FASHION = make_fashion_mnist()
CIFAR = make_cifar10()
ARCHIVE = "cifar-10-python.tar.gz"
BINARY_ARCHIVE = "cifar-10-binary.tar.gz"
IMAGES, LABELS, TEST_IMAGES, TEST_LABELS = FASHION.content
PAGE = b"<!DOCTYPE html>\n<title>Log in to the network</title>\n"

# What lies in a source, by name: the content of a file, or one of these in its place; a server also answers as
# `reference_datasets.Server` says.
Files = dict[str, Any]
DIRECTORY, LOOP = "a directory", "a link to itself"
Change = Callable[[Files], None]


# --- what happens to files ---


def cut(name: str, size: int | None = None) -> Change:
    """Keep the first bytes of a file; without a number, half of them."""

    def change(files: Files) -> None:
        files[name] = files[name][: len(files[name]) // 2 if size is None else size]

    return change


def flip(name: str, position: int, bit: int = 1) -> Change:
    """Flip one bit of a byte."""

    def change(files: Files) -> None:
        content = bytearray(files[name])
        content[position] ^= bit
        files[name] = bytes(content)

    return change


def overwrite(name: str, position: int, new: bytes) -> Change:
    def change(files: Files) -> None:
        files[name] = files[name][:position] + new + files[name][position + len(new) :]

    return change


def append(name: str, more: bytes) -> Change:
    def change(files: Files) -> None:
        files[name] += more

    return change


def swap(first: str, second: str) -> Change:
    def change(files: Files) -> None:
        files[first], files[second] = files[second], files[first]

    return change


def put(name: str, content: Any) -> Change:
    def change(files: Files) -> None:
        files[name] = content

    return change


def remove(name: str) -> Change:
    def change(files: Files) -> None:
        del files[name]

    return change


def both(*changes: Change) -> Change:
    def change(files: Files) -> None:
        for one in changes:
            one(files)

    return change


def inside(name: str, change_members: Change) -> Change:
    """Change the members of an archive of regular files."""

    def change(files: Files) -> None:
        with tarfile.open(fileobj=io.BytesIO(files[name])) as archive:
            members = {member: archive.extractfile(member).read() for member in archive.getnames()}
        change_members(members)
        files[name] = tar_gz(members)

    return change


def prefix_members(prefix: str) -> Change:
    def change(members: Files) -> None:
        renamed = {prefix + name: content for name, content in members.items()}
        members.clear()
        members.update(renamed)

    return change


def special_member(kind: bytes, target: str) -> Change:
    """Put a link or a device in the place of a member."""

    def change(files: Files) -> None:
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w:gz") as archive:
            member = tarfile.TarInfo("cifar-10-batches-py/data_batch_1")
            member.type, member.linkname, member.devmajor, member.devminor = kind, target, 1, 5
            archive.addfile(member)
        files[ARCHIVE] = stream.getvalue()

    return change


def header_bomb(size: int) -> bytes:
    """Write an archive whose first header goes on for `size` bytes, which a reader has to keep."""
    member = tarfile.TarInfo("x")
    member.type, member.size = tarfile.XHDTYPE, size
    return gzip.compress(member.tobuf() + bytes(size), 1)


def white_png(width: int, height: int) -> bytes:
    """Write a picture that takes far more room than its file."""
    stream = io.BytesIO()
    Image.new("RGB", (width, height)).save(stream, format="PNG")
    return stream.getvalue()


def hostile_pickle(canary: Path) -> bytes:
    return pickle.dumps({"data": Hostile(canary), "labels": []})


# --- the table ---


@dataclass(frozen=True)
class Case:
    """A damage to the files of a source, and the reason that its refusal gives (a pattern).

    `trusted`: the published digest of the archive is that of the damaged one, so that the next check has to find it.
    `canary`: the change takes the path of something that must not come into being.
    """

    kind: str
    source: str
    files: Mapping[str, Any]
    change: Callable
    reason: str
    trusted: bool = False
    canary: bool = False

    @property
    def made(self) -> MadeFashionMNIST | MadeCIFAR10:
        return FASHION if any("idx" in name for name in self.files) else CIFAR

    def __str__(self) -> str:
        return f"{self.made.spec.name}, {self.source}{', archive trusted' if self.trusted else ''}: {self.kind}"


# Damages to the content of the canonical files: met in a local folder, plain and packed, in the cache, and at a server.
FASHION_CONTENT = [
    ("truncated", cut(IMAGES), IMAGES, "has 2,752 bytes, expected 5,504"),
    ("one byte short", cut(TEST_LABELS, -1), TEST_LABELS, "has 10 bytes, expected 11"),
    ("empty", put(TEST_IMAGES, b""), TEST_IMAGES, "has 0 bytes, expected 2,368"),
    ("bit of a pixel", flip(IMAGES, 16 + 28 * 28, 1), IMAGES, "has sha256"),
    ("bit of a label", flip(TEST_LABELS, 8 + 2, 1), TEST_LABELS, "has sha256"),
    ("bit of the header", flip(LABELS, 7, 1), LABELS, "has sha256"),
    ("bit of the magic number", flip(IMAGES, 0, 0x80), IMAGES, "has sha256"),
    ("code of another type", overwrite(IMAGES, 2, b"\x0d"), IMAGES, "has sha256"),
    ("another number of rows", overwrite(LABELS, 4, b"\0\0\0\x06"), LABELS, "has sha256"),
    ("another shape of the same size", overwrite(IMAGES, 8, b"\0\0\0\x0e\0\0\0\x38"), IMAGES, "has sha256"),
    ("a row less, header and all", put(LABELS, idx_bytes(FASHION.arrays[1][:-1])), LABELS, "has 14 bytes, expected 15"),
    ("trailing bytes", append(TEST_IMAGES, b"\0" * 16), TEST_IMAGES, "has more bytes than the 2,368 expected"),
    ("images and labels swapped", swap(IMAGES, LABELS), IMAGES, "has 15 bytes, expected 5,504"),
    ("train and test swapped", both(swap(IMAGES, TEST_IMAGES), swap(LABELS, TEST_LABELS)), IMAGES, "has 2,368 bytes"),
    ("a web page", put(LABELS, PAGE), LABELS, "has more bytes than the 15 expected"),
    ("labels in another order", put(LABELS, idx_bytes(FASHION.arrays[1][::-1])), LABELS, "has sha256"),
]
BATCH, RECORD = "data_batch_2.bin", 3073
CIFAR_CONTENT = [
    ("truncated", cut(BATCH, 2 * RECORD), BATCH, "has 6,146 bytes, expected 9,219"),
    ("cut within a record", cut(BATCH, -1), BATCH, "has 9,218 bytes, expected 9,219"),
    ("empty", put("test_batch.bin", b""), "test_batch.bin", "has 0 bytes, expected 9,219"),
    ("bit of a pixel", flip(BATCH, RECORD + 1), BATCH, "has md5"),
    ("bit of a label", flip("test_batch.bin", 2 * RECORD), "test_batch.bin", "has md5"),
    ("label that is no class", overwrite(BATCH, 0, b"\x0a"), BATCH, "has md5"),
    ("two batches swapped", swap("data_batch_1.bin", BATCH), "data_batch_1.bin", "has md5"),
    ("train and test swapped", swap(BATCH, "test_batch.bin"), BATCH, "has md5"),
    ("trailing record", append(BATCH, bytes(RECORD)), BATCH, "has more bytes than the 9,219 expected"),
    ("a web page", put(BATCH, PAGE), BATCH, f"has {len(PAGE)} bytes, expected 9,219"),
]


def zipped(change: Change) -> Change:
    """The same change to files that are published as .gz."""

    def change_zipped(files: Files) -> None:
        content = {name.removesuffix(".gz"): gzip.decompress(data) for name, data in files.items()}
        change(content)
        files.update({f"{name}.gz": gzip.compress(data, mtime=0) for name, data in content.items()})

    return change_zipped


def binary_archive(change: Change) -> Change:
    """The same change to files that lie in an archive of the binary version."""

    def change_archive(files: Files) -> None:
        content = dict(CIFAR.content)
        change(content)
        files[BINARY_ARCHIVE] = tar_gz({f"cifar-10-batches-bin/{name}": data for name, data in content.items()})

    return change_archive


CONTENT_CASES = [
    case
    for kind, change, name, reason in FASHION_CONTENT
    for case in (
        Case(kind, "local", FASHION.content, change, f"{name} {reason}"),
        Case(f"{kind}, then packed", "local", FASHION.published, zipped(change), f"{name} {reason}"),
        Case(kind, "cache", FASHION.content, change, f"damaged: {name} {reason}"),
        Case(kind, "official", FASHION.published, zipped(change), r"ubyte\.gz from .* md5 \w{12}…, expected"),
        Case(kind, "official", FASHION.published, zipped(change), f"{name} {reason}", trusted=True),
        Case(kind, "packages", FASHION.published, zipped(change), f"{name} {reason}"),
    )
] + [
    case
    for kind, change, name, reason in CIFAR_CONTENT
    for case in (
        Case(kind, "local", CIFAR.content, change, f"{name} {reason}"),
        Case(
            f"{kind}, then packed",
            "local",
            {BINARY_ARCHIVE: b""},
            binary_archive(change),
            f"{name} {reason}|{name} has .* bytes in the archive, expected 9,219 at most",
        ),
        Case(kind, "cache", CIFAR.content, change, f"damaged: {name} {reason}"),
    )
]

PYTHON = {ARCHIVE: CIFAR.python_archive}
PACKAGE = {"package.tgz": CIFAR.npm_archive}
ZIPPED = f"{IMAGES}.gz"
SIZE = len(FASHION.published[ZIPPED])
NO_MEMBER = "data_batch_1 is not in the archive"
NOT_UNPICKLED = r"has md5 \w{12}….* not unpickled"
WRONG_LABELS = "the labels are a JSON list of integers, 0 to 9"
TRAIN_LABELS = "package/train_lables.json"
FIRST_PNG = "package/data_batch_1.png"

SOURCE_CASES = [
    # Files and folders that are not what they should be.
    Case("missing", "local", FASHION.published, remove(ZIPPED), f"neither {IMAGES} nor {IMAGES}.gz is in"),
    Case("missing", "local", FASHION.content, remove(TEST_LABELS), f"{TEST_LABELS}.gz is missing in"),
    Case("missing", "local", CIFAR.batches, remove("test_batch"), "test_batch: No such file"),
    Case("missing", "cache", CIFAR.content, remove(BATCH), f"damaged: {BATCH} is missing"),
    Case("missing", "official", FASHION.published, remove(ZIPPED), f"{ZIPPED} from .*: HTTP 404 Not Found"),
    Case("a directory", "local", FASHION.content, put(IMAGES, DIRECTORY), f"{IMAGES}: Is a directory"),
    Case("a directory", "local", FASHION.published, put(ZIPPED, DIRECTORY), f"{ZIPPED}: Is a directory"),
    Case("a directory", "local", CIFAR.batches, put("data_batch_3", DIRECTORY), "data_batch_3: Is a directory"),
    Case("a directory", "cache", CIFAR.content, put(BATCH, DIRECTORY), f"{BATCH}: Is a directory"),
    Case("a link to itself", "local", CIFAR.content, put(BATCH, LOOP), f"{BATCH}: Too many levels of symbolic links"),
    Case("a link to itself", "cache", FASHION.content, put(IMAGES, LOOP), "Too many levels|is missing"),
    # gzip.
    Case("truncated gzip", "local", FASHION.published, cut(ZIPPED), f"{ZIPPED} is damaged"),
    Case("truncated gzip", "official", FASHION.published, cut(ZIPPED), f"{ZIPPED} .*md5"),
    Case("truncated gzip", "official", FASHION.published, cut(ZIPPED), f"{ZIPPED} is damaged", trusted=True),
    Case("bit of a gzip", "local", FASHION.published, flip(ZIPPED, SIZE // 2), f"{IMAGES}.* is damaged|has sha256"),
    Case("gzip's magic number", "local", FASHION.published, flip(ZIPPED, 0), f"{ZIPPED} is damaged: Not a gzipped"),
    Case("gzip's checksum", "local", FASHION.published, flip(ZIPPED, SIZE - 8), f"{ZIPPED} is damaged: CRC check"),
    Case("bytes after a gzip", "local", FASHION.published, append(ZIPPED, b"more"), f"{ZIPPED} is damaged"),
    Case("empty gzip", "local", FASHION.published, put(ZIPPED, b""), f"{IMAGES} has 0 bytes"),
    Case("web page", "local", FASHION.published, put(ZIPPED, PAGE), f"{ZIPPED} is damaged: Not a gzipped"),
    Case(
        "gzip bomb", "local", FASHION.published, put(ZIPPED, gzip.compress(bytes(1 << 24))), "more bytes than the 5,504"
    ),
    Case("gzip bomb", "official", FASHION.published, put(ZIPPED, gzip.compress(bytes(1 << 24))), "md5"),
    Case(
        "gzip bomb",
        "official",
        FASHION.published,
        put(ZIPPED, gzip.compress(bytes(1 << 24))),
        "more bytes than the 5,504",
        trusted=True,
    ),
    # Answers of a server.
    Case("web page", "official", FASHION.published, put(ZIPPED, PAGE), f"{len(PAGE)} bytes, a web page, not the file"),
    Case("web page, 404", "official", PYTHON, put(ARCHIVE, (404, PAGE)), "HTTP 404 Not Found"),
    Case("web page", "official", PYTHON, put(ARCHIVE, PAGE), f"{len(PAGE)} bytes, a web page, not the file"),
    Case("server error", "official", PYTHON, put(ARCHIVE, 500), "HTTP 500 Internal Server Error"),
    Case("body cut off", "official", PYTHON, put(ARCHIVE, ("cut", CIFAR.python_archive)), "the connection broke off"),
    Case("body without end", "official", PYTHON, put(ARCHIVE, ("endless", bytes(1 << 16))), "more than 176,164 bytes"),
    Case("empty", "official", PYTHON, put(ARCHIVE, b""), "0 bytes, md5 d41d8cd98f00…"),
    # Archives.
    Case("truncated", "local", PYTHON, cut(ARCHIVE), NOT_UNPICKLED),
    Case("truncated", "official", PYTHON, cut(ARCHIVE), f"{ARCHIVE} from .*md5"),
    Case("truncated", "official", PYTHON, cut(ARCHIVE), "EOFError|not in the archive|unexpected end", trusted=True),
    Case("one bit", "local", PYTHON, flip(ARCHIVE, len(CIFAR.python_archive) // 2), NOT_UNPICKLED),
    Case("one bit", "official", PYTHON, flip(ARCHIVE, 20), f"{ARCHIVE} from .*md5"),
    Case("no archive", "local", PYTHON, put(ARCHIVE, PAGE), f"{NOT_UNPICKLED}.*Not a gzipped file"),
    Case("no archive", "official", PYTHON, put(ARCHIVE, PAGE), "Not a gzipped file", trusted=True),
    Case(
        "gzip, but no tar", "official", PYTHON, put(ARCHIVE, gzip.compress(PAGE)), "ReadError|not in the", trusted=True
    ),
    Case("tar without the member", "official", PYTHON, inside(ARCHIVE, prefix_members("x/")), NO_MEMBER, trusted=True),
    Case("names that climb up", "official", PYTHON, inside(ARCHIVE, prefix_members("../")), NO_MEMBER, trusted=True),
    Case(
        "names that climb up from where they seem to be",
        "official",
        PYTHON,
        inside(ARCHIVE, prefix_members("cifar-10-batches-py/../../")),
        NO_MEMBER,
        trusted=True,
    ),
    Case(
        "names from the root",
        "official",
        PYTHON,
        lambda files, canary: inside(ARCHIVE, prefix_members(f"{canary}/"))(files),
        NO_MEMBER,
        trusted=True,
        canary=True,
    ),
    *(
        Case(kind, "official", PYTHON, special_member(code, target), NO_MEMBER, trusted=True)
        for kind, code, target in [
            ("symbolic link", tarfile.SYMTYPE, "/etc/hostname"),
            ("hard link", tarfile.LNKTYPE, "/etc/hostname"),
            ("hard link upwards", tarfile.LNKTYPE, "../../data_batch_1"),
            ("character device", tarfile.CHRTYPE, ""),
            ("block device", tarfile.BLKTYPE, ""),
            ("pipe", tarfile.FIFOTYPE, ""),
            ("directory", tarfile.DIRTYPE, ""),
        ]
    ),
    Case(
        "oversized member",
        "official",
        PYTHON,
        inside(ARCHIVE, put("cifar-10-batches-py/data_batch_1", bytes(2 * 9219 + 1))),
        "data_batch_1 has 18,439 bytes in the archive, expected 18,438 at most",
        trusted=True,
    ),
    Case(
        "oversized member",
        "local",
        {BINARY_ARCHIVE: b""},
        binary_archive(append("data_batch_1.bin", b"\0")),
        "data_batch_1.bin has 9,220 bytes in the archive, expected 9,219 at most",
    ),
    Case(
        "bomb in another member",
        "official",
        PYTHON,
        put(ARCHIVE, tar_gz({"readme": bytes(1 << 24)})),
        "the archive unfolds to more than 221,256 bytes",
        trusted=True,
    ),
    Case(
        "bomb in a header",
        "local",
        {BINARY_ARCHIVE: b""},
        put(BINARY_ARCHIVE, header_bomb(1 << 24)),
        "the archive unfolds to more than 110,628 bytes",
    ),
    Case("two batches swapped", "local", CIFAR.batches, swap("data_batch_1", "data_batch_2"), NOT_UNPICKLED),
    Case("bit of a batch", "local", CIFAR.batches, flip("data_batch_5", 5000), NOT_UNPICKLED),
    Case("truncated batch", "local", CIFAR.batches, cut("test_batch"), NOT_UNPICKLED),
    Case(
        "two batches swapped in the archive",
        "official",
        PYTHON,
        inside(ARCHIVE, swap("cifar-10-batches-py/data_batch_1", "cifar-10-batches-py/data_batch_2")),
        f"data_batch_1 {NOT_UNPICKLED}",
        trusted=True,
    ),
    # Pickles that run code.
    Case(
        "hostile pickle for a batch",
        "local",
        CIFAR.batches,
        lambda files, canary: put("data_batch_1", hostile_pickle(canary))(files),
        f"data_batch_1 {NOT_UNPICKLED}",
        canary=True,
    ),
    *(
        Case(
            "hostile pickle in the archive",
            source,
            PYTHON,
            lambda files, canary: inside(ARCHIVE, put("cifar-10-batches-py/data_batch_1", hostile_pickle(canary)))(
                files
            ),
            reason,
            trusted=trusted,
            canary=True,
        )
        for source, trusted, reason in [
            ("local", False, f"{ARCHIVE} {NOT_UNPICKLED}"),
            ("official", False, f"{ARCHIVE} from .*md5"),
            ("official", True, f"data_batch_1 {NOT_UNPICKLED}"),
        ]
    ),
    *(
        Case(
            "hostile pickle for the archive",
            source,
            PYTHON,
            lambda files, canary: put(ARCHIVE, hostile_pickle(canary))(files),
            reason,
            trusted=trusted,
            canary=True,
        )
        for source, trusted, reason in [
            ("local", False, f"{ARCHIVE} {NOT_UNPICKLED}"),
            ("official", False, f"{ARCHIVE} from .*md5"),
            ("official", True, "Not a gzipped file"),
        ]
    ),
    Case(
        "hostile pickle for a file of records",
        "cache",
        CIFAR.content,
        lambda files, canary: put("data_batch_1.bin", hostile_pickle(canary))(files),
        "damaged: data_batch_1.bin has",
        canary=True,
    ),
    # The npm package.
    Case("no archive", "packages", PACKAGE, put("package.tgz", b"no archive"), "Not a gzipped file"),
    Case("truncated", "packages", PACKAGE, cut("package.tgz"), "EOFError|not in the archive|unexpected end"),
    *(
        Case(kind, "packages", PACKAGE, inside("package.tgz", change), reason)
        for kind, change, reason in [
            ("pictures swapped", swap(FIRST_PNG, "package/data_batch_2.png"), "data_batch_1.bin has md5"),
            ("a pixel", put(FIRST_PNG, row_png(CIFAR.pixels[:3] ^ 1)), "data_batch_1.bin has md5"),
            ("a picture too low", put(FIRST_PNG, row_png(CIFAR.pixels[:2])), r"RGB, 1024 x 3; got RGB, \(1024, 2\)"),
            ("picture that is a bomb", put(FIRST_PNG, white_png(1024, 4096)), r"got RGB, \(1024, 4096\)"),
            ("truncated picture", cut(FIRST_PNG), "no PNG of 3 images"),
            ("web page for a picture", put(FIRST_PNG, PAGE), "no PNG of 3 images"),
            ("no picture", remove(FIRST_PNG), f"{FIRST_PNG} is not in the archive"),
            ("labels in another order", put(TRAIN_LABELS, json.dumps(CIFAR.labels[:15][::-1]).encode()), "has md5"),
            ("one label too many", put(TRAIN_LABELS, json.dumps(CIFAR.labels[:16]).encode()), "19 labels, expected 18"),
            ("no labels", remove(TRAIN_LABELS), f"{TRAIN_LABELS} is not in the archive"),
            ("label that is no class", put(TRAIN_LABELS, b"[10]"), WRONG_LABELS),
            ("label beyond any integer", put(TRAIN_LABELS, b"[1" + b"0" * 400 + b"]"), WRONG_LABELS),
            ("labels nested deeply", put(TRAIN_LABELS, b"[" * 18_000), "the labels are no JSON"),
            ("web page for labels", put(TRAIN_LABELS, PAGE), "the labels are no JSON"),
        ]
    ),
]


# --- the command ---


@pytest.fixture
def server(monkeypatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serve_on_loopback() as server:
        yield server


def lay(folder: Path, files: Files) -> Path:
    """Write files into a folder; some names may stand for something else than a file."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        if content is DIRECTORY:
            (folder / name).mkdir()
        elif content is LOOP:
            (folder / name).symlink_to(folder / name)
        else:
            (folder / name).write_bytes(content)
    return folder


def list_tree(folder: Path) -> dict[str, Any]:
    """Everything below a folder, each file with its content."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() and not path.is_symlink() else None
        for path in folder.rglob("*")
    }


def write_plan(path: Path, name: str, **settings: object) -> str:
    path.write_text(json.dumps({"datasets": {name: {"timeout": 5, "retries": 0, **settings}}}))
    return str(path)


def assert_one_paragraph(message: str) -> None:
    assert message.strip()
    assert "\n\n" not in message.strip("\n")
    assert "Traceback" not in message


@dataclass
class Scene:
    """A source laid out as a case says, and the plan of a command that asks it and no other."""

    spec: Any
    settings: dict[str, Any]
    root: Path

    def run(self, **more: object) -> int:
        settings = {**self.settings, **more}
        return command.main([write_plan(self.root.parent / "plan.json", self.spec.name, **settings), self.spec.name])


@pytest.fixture
def scene(case: Case, tmp_path, server, monkeypatch) -> Scene:
    """Lay out a case in `tmp_path / "work"`: what it must not touch included."""
    root = tmp_path / "work"
    files = dict(case.files)
    if case.canary:
        case.change(files, root / "canary")
    else:
        case.change(files)
    spec = case.made.spec
    settings: dict[str, Any] = {
        "destination": str(root / "arrays"),
        "cache": str(root / "cache"),
        "sources": [case.source],
    }
    lay(root / "cache", {})
    match case.source:
        case "local":
            settings["local"] = str(lay(root / "local", files))
        case "cache":
            lay(root / "cache" / spec.name, files)
        case "official":
            server.serve(files)
        case "packages":
            monkeypatch.setenv("PATH", str(make_package_managers(root, case, files)))
    if case.made is FASHION:
        digests = [md5(files[f"{file.name}.gz"]) for file in spec.files] if case.trusted else spec.archive_md5
        spec = dataclasses.replace(spec, mirrors=(server.address,), archive_md5=tuple(digests))
    else:
        digest = md5(files[ARCHIVE]) if case.trusted else spec.archive_md5
        spec = dataclasses.replace(spec, archives=(server.address + ARCHIVE,), archive_md5=digest)
    monkeypatch.setattr(command, "SPECS", {spec.name: spec})
    monkeypatch.chdir(lay(root / "inner" / "folder", {}))  # so that ".." is in what is looked at
    return Scene(spec, settings, root)


def make_package_managers(root: Path, case: Case, files: Files) -> Path:
    if case.made is FASHION:
        return install_package_managers(root, files, CIFAR.npm_archive)
    return install_package_managers(root, FASHION.published, files["package.tgz"])


@pytest.fixture
def unpickled(monkeypatch) -> list[str]:
    """The MD5 of everything that was given to the unpickler."""
    digests: list[str] = []
    read = archives.read_pickled_batch

    def record(content: bytes) -> tuple[np.ndarray, np.ndarray]:
        digests.append(md5(content))
        return read(content)

    monkeypatch.setattr(archives, "read_pickled_batch", record)
    return digests


ALL_CASES = CONTENT_CASES + SOURCE_CASES


def test_the_table_is_broad():
    for made in (FASHION, CIFAR):
        assert len({case.kind for case in ALL_CASES if case.made is made}) >= 20
        assert {case.source for case in ALL_CASES if case.made is made} == {"local", "cache", "official", "packages"}
    assert len({str(case) for case in ALL_CASES}) > 100


@pytest.mark.parametrize("case", ALL_CASES, ids=str)
def test_damage_is_refused(case, scene, unpickled, capsys):
    before = list_tree(scene.root)
    assert scene.run() == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert_one_paragraph(printed.err)
    headline, reason, *remedy = printed.err.strip().splitlines()
    assert headline == f"{scene.spec.name} could not be had from any source:"
    assert reason.startswith(f"  - {case.source}: ")
    assert re.search(case.reason, reason), reason
    assert scene.spec.homepage in remedy[0]
    assert f"`local: {scene.spec.name}`, under `data:` in the configuration" in remedy[0]
    assert str(scene.root / "cache" / scene.spec.name) in remedy[1]
    # Nothing was written but the empty folder of the data set in the cache.
    after = list_tree(scene.root)
    assert after == {**before, f"cache/{scene.spec.name}": None} if case.source != "cache" else after == before
    assert set(unpickled) <= set(CIFAR.spec.batch_md5)


@pytest.mark.parametrize("case", [case for case in ALL_CASES if case.source == "cache"], ids=str)
def test_damaged_cache_is_healed_by_the_next_source(case, scene, caplog, capsys):
    local = lay(scene.root / "local", case.made.content)
    folder = scene.root / "cache" / case.made.spec.name
    with caplog.at_level(logging.INFO, "gradlab"):
        status = scene.run(sources=["cache", "local"], local=str(local))
    if case.kind == "a directory":  # which may hold what is somebody's: it stays, and the message says where
        assert status == 1
        assert_one_paragraph(message := capsys.readouterr().err)
        assert f"the cache {folder.parent} cannot be written (Is a directory: {folder / BATCH})" in message
        return
    assert status == 0
    refused, taken = (record.getMessage() for record in caplog.records)
    assert refused.startswith(f"{case.made.spec.name}: cache: ")
    assert taken == f"{case.made.spec.name}: from local, verified ({folder})"
    assert list_tree(folder) == case.made.content
    assert not list(folder.parent.glob(".*"))
    caplog.clear()
    assert scene.run() == 0  # now from the cache alone


@pytest.mark.parametrize(
    ("made", "name", "content", "reason"),
    [
        (FASHION, ZIPPED, gzip.compress(bytes(1 << 26)), "has more bytes than the 5,504 expected"),
        (CIFAR, BINARY_ARCHIVE, tar_gz({"readme": bytes(1 << 26)}), "the archive unfolds to more than"),
        (CIFAR, BINARY_ARCHIVE, header_bomb(1 << 26), "the archive unfolds to more than"),
    ],
    ids=["gzip", "member", "header"],
)
def test_bomb_does_not_unfold_in_memory(made, name, content, reason, tmp_path):
    published = FASHION.published if made is FASHION else {}
    local = write_files(tmp_path / "local", {**published, name: content})
    tracemalloc.start()
    with pytest.raises(DatasetError, match=reason):
        fetch(made.spec, FetchSettings(sources=["local"], local=local, cache=tmp_path / "cache"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 23


def test_members_are_read_by_name_and_never_extracted(tmp_path, monkeypatch):
    """An archive with the right digest and the right members, and others that would write outside: those are ignored."""
    members = {f"cifar-10-batches-py/{name}": data for name, data in CIFAR.batches.items()}
    outside = {"../outside": b"x", f"{tmp_path}/outside": b"x", "cifar-10-batches-py/../../outside": b"x"}
    archive = tar_gz(outside | members)
    spec = dataclasses.replace(CIFAR.spec, archive_md5=md5(archive))
    local = write_files(tmp_path / "local", {ARCHIVE: archive})
    monkeypatch.chdir(write_files(tmp_path / "work" / "inner", {}))
    before = list_tree(tmp_path)
    fetch(spec, FetchSettings(sources=["local"], local=local, cache=tmp_path / "cache"))
    kept = {f"cache/cifar10/{name}": content for name, content in CIFAR.content.items()}
    assert list_tree(tmp_path) == {**before, "cache": None, "cache/cifar10": None, **kept}


def test_hostile_pickles_are_hostile(tmp_path):
    """What the table calls hostile would do harm where it was unpickled."""
    pickle.loads(hostile_pickle(tmp_path / "canary"))
    assert (tmp_path / "canary").is_dir()


# --- the command as a process, on the real specifications ---


def run_command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command; where root runs the tests, without root's right to read what nobody may read."""
    code = (
        "import ctypes, os, sys; libc = ctypes.CDLL(None); "
        "[libc.prctl(24, capability, 0, 0, 0) for capability in (1, 2)]; "  # drop DAC_OVERRIDE and DAC_READ_SEARCH
        "os.execv(sys.executable, [sys.executable, '-m', 'gradlab.datasets', *sys.argv[1:]])"
    )
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], env=os.environ, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize(
    ("name", "files", "reason"),
    [
        ("fashion_mnist", FASHION.content, f"local: {IMAGES} has 5,504 bytes, expected 47,040,016"),
        ("fashion_mnist", {IMAGES: b"", "unreadable": IMAGES}, f"local: .*/{IMAGES}: Permission denied"),
        ("cifar10", {ARCHIVE: "hostile"}, f"local: {ARCHIVE} has md5 .* so it is not unpickled"),
        ("cifar10", CIFAR.batches, "local: data_batch_1 has md5 .* so it is not unpickled"),
    ],
    ids=["truncated", "unreadable", "hostile", "other batches"],
)
def test_command_as_a_process(name, files, reason, tmp_path):
    files = dict(files)
    unreadable = files.pop("unreadable", None)
    if files.get(ARCHIVE) == "hostile":
        files[ARCHIVE] = hostile_pickle(tmp_path / "canary")
    local = write_files(tmp_path / "local", files)
    if unreadable:
        (local / unreadable).chmod(0)
    plan = write_plan(
        tmp_path / "plan.json",
        name,
        destination=str(tmp_path / "arrays"),
        sources=["local"],
        local=str(local),
        cache=str(tmp_path / "cache"),
    )
    result = run_command(plan, name)
    assert result.returncode == 1
    assert result.stdout == ""
    assert_one_paragraph(result.stderr)
    assert re.search(reason, result.stderr), result.stderr
    assert SPECS[name].homepage in result.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"local", "plan.json", "cache"}
    assert [path.name for path in (tmp_path / "cache").rglob("*")] == [name]


# --- prepared arrays ---


def prepared(made: MadeFashionMNIST | MadeCIFAR10, folder: Path) -> Path:
    prepare(made.spec, write_files(folder / "content", made.content), folder / "arrays")
    return folder / "arrays"


def npy(values: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, values)
    return stream.getvalue()


def npz(values: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, values)
    return stream.getvalue()


def describe(**changes: object) -> Change:
    """Change the entry of `test_labels.npy` in dataset.json."""

    def change(files: Files) -> None:
        described = json.loads(files["dataset.json"])
        described["arrays"]["test_labels.npy"].update(changes)
        files["dataset.json"] = json.dumps(described).encode()

    return change


NPY, JSON = "test_labels.npy", "dataset.json"
SHIFTED = b"\x93NUMPY\x01\x00\x76\x00{'descr': '<i8', 'fortran_order': False, 'shape': (3,"  # and no end


@pytest.mark.parametrize("made", [FASHION, CIFAR], ids=lambda made: made.spec.name)
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param(remove(NPY), "FileNotFoundError", id="array missing"),
        pytest.param(cut(NPY, -1), "test_labels.npy is no array", id="array cut"),
        pytest.param(cut(NPY, 130), "test_labels.npy is no array", id="array cut in its values"),
        pytest.param(cut(NPY, 40), "test_labels.npy is no array", id="array cut in its header"),
        pytest.param(put(NPY, b""), "test_labels.npy is no array", id="array empty"),
        pytest.param(put(NPY, bytes(152)), "test_labels.npy is no array", id="array of zero bytes"),
        pytest.param(put(NPY, PAGE), "test_labels.npy is no array", id="web page for an array"),
        pytest.param(put(NPY, npz(np.zeros(3, np.int64))), "test_labels.npy is no array", id="archive for an array"),
        pytest.param(put(NPY, SHIFTED + bytes(200)), "test_labels.npy is no array", id="header without end"),
        pytest.param(append(NPY, bytes(8)), "test_labels.npy has 160 bytes, expected 152", id="array too long"),
        pytest.param(put(NPY, npy(np.zeros(3, np.int32))), r"is int32 \(3,\), where dataset.json says", id="dtype"),
        pytest.param(put(NPY, npy(np.zeros(3, ">i8"))), r"is >i8 \(3,\), where dataset.json says", id="byte order"),
        pytest.param(put(NPY, npy(np.zeros(4, np.int64))), r"is int64 \(4,\), where dataset.json says", id="shape"),
        pytest.param(put(NPY, DIRECTORY), "IsADirectoryError", id="directory for an array"),
        pytest.param(describe(shape=[4]), r"dataset.json says int64 \(4,\)", id="described with another shape"),
        pytest.param(describe(dtype="int32"), r"dataset.json says int32 \(3,\)", id="described with another dtype"),
        pytest.param(put(JSON, b""), "JSONDecodeError", id="description empty"),
        pytest.param(cut(JSON), "JSONDecodeError", id="description cut"),
        pytest.param(put(JSON, PAGE), "JSONDecodeError", id="web page for the description"),
        pytest.param(put(JSON, b"\xff\xfe"), "UnicodeDecodeError", id="description not UTF-8"),
        pytest.param(put(JSON, b"[" * 100_000), "RecursionError", id="description nested deeply"),
        pytest.param(put(JSON, b"[]"), "TypeError", id="description a list"),
        pytest.param(put(JSON, b'{"name": "other"}'), "it holds other", id="of another data set"),
        pytest.param(put(JSON, DIRECTORY), "IsADirectoryError", id="directory for the description"),
        pytest.param(remove(JSON), "FileNotFoundError", id="description missing"),
    ],
)
def test_damaged_prepared_array_is_refused(made, change, reason, tmp_path):
    files = {path.name: path.read_bytes() for path in prepared(made, tmp_path).iterdir()}
    change(files)
    arrays = lay(tmp_path / "damaged", files)
    load = load_fashion_mnist if made is FASHION else load_cifar10
    with pytest.raises(DatasetError, match=f"does not hold the prepared data set {made.spec.name}.*{reason}") as caught:
        load(arrays)
    assert_one_paragraph(str(caught.value))
    assert f"remove what is there and write it with `snakemake {arrays}/dataset.json`" in str(caught.value)


def test_values_by_columns_are_refused(tmp_path):
    """An array of the right shape and dtype whose file has its values in another order."""
    arrays = prepared(FASHION, tmp_path)
    np.save(arrays / "test_images.npy", np.asfortranarray(FASHION.arrays[2]))
    with pytest.raises(DatasetError, match=r"says uint8 \(3, 28, 28\), row by row"):
        load_fashion_mnist(arrays)


@pytest.mark.parametrize(("made", "other"), [(FASHION, CIFAR), (CIFAR, FASHION)], ids=["fashion_mnist", "cifar10"])
def test_the_other_data_set_is_refused(made, other, tmp_path):
    load = load_fashion_mnist if made is FASHION else load_cifar10
    with pytest.raises(DatasetError, match=f"it holds {other.spec.name}"):
        load(prepared(other, tmp_path))


# --- checking every byte of prepared arrays ---


@pytest.fixture(params=[FASHION, CIFAR], ids=lambda made: made.spec.name)
def checked(request, tmp_path, monkeypatch, capsys) -> tuple[Path, Callable[[], tuple[int, str]]]:
    """A folder of prepared arrays, and a function that checks it with the command."""
    spec = request.param.spec
    monkeypatch.setattr(command, "SPECS", {spec.name: spec})
    arrays = prepared(request.param, tmp_path)
    plan = write_plan(tmp_path / "plan.json", spec.name, destination=str(arrays))

    def check() -> tuple[int, str]:
        status = command.main([plan, spec.name, "--check"])
        printed = capsys.readouterr()
        return status, printed.out + printed.err

    return arrays, check


def test_check_of_whole_arrays(checked):
    arrays, check = checked
    before = list_tree(arrays)
    status, message = check()
    assert status == 0
    assert f"every byte in {arrays} is as it was prepared" in message
    assert list_tree(arrays) == before


def test_check_finds_any_flipped_bit(checked):
    """Which opening the array does not see: its shape and its dtype are still right."""
    arrays, check = checked
    load = load_cifar10 if (arrays / "train_images_float32.npy").exists() else load_fashion_mnist
    for path in sorted(arrays.glob("*.npy")):
        whole = path.read_bytes()
        for position in (128, (128 + len(whole)) // 2, len(whole) - 1):  # after the header
            files = {path.name: whole}
            flip(path.name, position)(files)
            path.write_bytes(files[path.name])
            load(arrays)
            status, message = check()
            assert status == 1
            assert_one_paragraph(message)
            assert f"{path.name} has sha256" in message
            assert "write it again with `snakemake`" in message
            assert "run the cells again" in message
        path.write_bytes(whole)
    assert check()[0] == 0


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (remove("train_labels.npy"), "FileNotFoundError"),
        (remove("dataset.json"), "FileNotFoundError"),
        (put("dataset.json", b"[]"), "TypeError"),
        (put("dataset.json", b'{"name": "other", "content": {}, "arrays": {}}'), "describes other content"),
    ],
    ids=["array missing", "description missing", "description a list", "other content"],
)
def test_check_of_what_is_not_whole(change, reason, checked):
    arrays, check = checked
    files = {path.name: path.read_bytes() for path in arrays.iterdir()}
    change(files)
    for path in arrays.iterdir():
        path.unlink()
    lay(arrays, files)
    status, message = check()
    assert status == 1
    assert_one_paragraph(message)
    assert reason in message


# --- full disks ---


def fill(disk: Path, *, leave: int) -> Path:
    """Write a file that leaves so many pages of 4 KiB free; return it."""
    filler = disk / "filler"
    filler.unlink(missing_ok=True)
    with filler.open("wb", buffering=0) as stream:
        try:
            while True:
                stream.write(bytes(4096))
        except OSError as error:
            assert error.errno == errno.ENOSPC
        stream.truncate(max(0, stream.seek(0, os.SEEK_END) - 4096 * leave))
    return filler


@pytest.mark.parametrize("source", ["local", "official"])
@pytest.mark.parametrize("made", [FASHION, CIFAR], ids=lambda made: made.spec.name)
def test_full_cache(made, source, small_disk, tmp_path, server, monkeypatch, capsys):
    """Whatever room is left: the data set is there, whole, or one sentence says what to do and nothing is left."""
    server.serve({**FASHION.published, ARCHIVE: CIFAR.python_archive})
    addresses = {"mirrors": (server.address,)} if made is FASHION else {"archives": (server.address + ARCHIVE,)}
    spec = dataclasses.replace(made.spec, **addresses)
    monkeypatch.setattr(command, "SPECS", {spec.name: spec})
    cache = small_disk / "cache"
    plan = write_plan(
        tmp_path / "plan.json",
        spec.name,
        destination=str(tmp_path / "arrays"),
        sources=[source, "cache", "packages"],
        local=str(write_files(tmp_path / "local", made.content)) if source == "local" else None,
        cache=str(cache),
        retries=3,
    )
    monkeypatch.setenv("PATH", str(tmp_path))  # a package manager that was asked would be missed
    statuses = []
    for leave in range(0, 64, 1 if made is FASHION else 5):
        server.asked.clear()
        filler = fill(small_disk, leave=leave)
        statuses.append(command.main([plan, spec.name]))
        message = capsys.readouterr().err
        left = {path.name: path.read_bytes() for path in cache.rglob("*") if path.is_file()}
        assert not list(cache.glob(".*"))
        if statuses[-1] == 0:
            assert left == made.content
            break
        assert left == {}
        assert len(message.strip().splitlines()) == 1
        assert message.startswith(f"{spec.name} cannot be kept: the cache {cache} cannot be written (No space left")
        assert "; make room for 1 MB there, or choose another with `cache`, under `data:` in the config" in message
        assert len(server.asked) == len(set(server.asked))  # nothing is downloaded again in vain
        assert not (tmp_path / "arrays").exists()
    assert statuses[0] == 1
    assert statuses[-1] == 0
    filler.unlink()


@pytest.mark.parametrize("made", [FASHION, CIFAR], ids=lambda made: made.spec.name)
def test_full_destination(made, small_disk, tmp_path, monkeypatch, capsys):
    """Whatever room is left: arrays that load, or one sentence; what is left of them does not load, and none is half."""
    whole = {path.name: path.read_bytes() for path in prepared(made, tmp_path / "elsewhere").iterdir()}
    monkeypatch.setattr(command, "SPECS", {made.spec.name: made.spec})
    write_files(tmp_path / "cache" / made.spec.name, made.content)
    arrays = small_disk / "arrays"
    plan = write_plan(
        tmp_path / "plan.json",
        made.spec.name,
        destination=str(arrays),
        sources=["cache"],
        cache=str(tmp_path / "cache"),
    )
    load = load_fashion_mnist if made is FASHION else load_cifar10
    statuses = []
    for leave in range(0, 256, 1 if made is FASHION else 13):
        fill(small_disk, leave=leave)
        statuses.append(command.main([plan, made.spec.name]))
        message = capsys.readouterr().err
        left = {path.name: path.read_bytes() for path in arrays.rglob("*")}
        assert left.items() <= whole.items()
        if statuses[-1] == 0:
            assert left == whole
            load(arrays)
            break
        assert "dataset.json" not in left
        assert len(message.strip().splitlines()) == 1
        assert message.startswith(f"{made.spec.name} could not be written to {arrays} (No space left on device); make")
        assert "or move the folder to another disk and leave a link in its place" in message
        with pytest.raises(DatasetError):
            load(arrays)
        for path in arrays.iterdir():  # as the workflow removes what a failed job wrote
            path.unlink()
    assert statuses[0] == 1
    assert statuses[-1] == 0


def test_destination_that_was_whole_and_cannot_be_written_again(small_disk, tmp_path, monkeypatch, capsys):
    """Preparing again on a disk that has filled up meanwhile: the old arrays are not taken for the new ones."""
    monkeypatch.setattr(command, "SPECS", {"cifar10": CIFAR.spec})
    write_files(tmp_path / "cache" / "cifar10", CIFAR.content)
    arrays = small_disk / "arrays"
    prepare(CIFAR.spec, tmp_path / "cache" / "cifar10", arrays)
    fill(small_disk, leave=0)
    plan = write_plan(
        tmp_path / "plan.json", "cifar10", destination=str(arrays), sources=["cache"], cache=str(tmp_path / "cache")
    )
    assert command.main([plan, "cifar10"]) == 1
    assert "No space left on device" in capsys.readouterr().err
    with pytest.raises(DatasetError):
        load_cifar10(arrays)
    (small_disk / "filler").unlink()
    for path in arrays.glob("train_*"):
        path.unlink()
    assert command.main([plan, "cifar10"]) == 0
    load_cifar10(arrays)
