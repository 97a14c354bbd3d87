"""The server of a report, as a process of its own on loopback."""

import http.client
import re
import signal
import socket
import subprocess
import sys
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

BODY = "<!doctype html><title>Bericht λ</title>"


@pytest.fixture
def report(tmp_path):
    """A report with a page beside it, in a folder below one that holds a secret."""
    folder = tmp_path / "results of today"
    (folder / "pages").mkdir(parents=True)
    (folder / "report.html").write_text(BODY, encoding="utf-8")
    (folder / "pages/jump.html").write_text("jump", encoding="utf-8")
    (tmp_path / "secret.txt").write_text("secret", encoding="utf-8")
    return folder / "report.html"


@contextmanager
def serving(*arguments, ending=signal.SIGINT):
    """Run the server; yield the first line that it prints; end it with a signal, cleanly and without a word more."""
    command = [sys.executable, "-m", "gradlab.serve", *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline()
            yield line
            process.send_signal(ending)
            rest, errors = process.communicate(timeout=20)
            assert (process.returncode, rest, errors) == (0, "", "")
        finally:
            process.kill()


def port_of(line):
    return int(re.fullmatch(r"serving http://127\.0\.0\.1:(\d+)/report\.html \(Ctrl-C ends it\)\n", line)[1])


def fetch(port, path):
    """Ask for exactly this path: other clients would tidy away its dots before they send it."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        connection.request("GET", path)
        response = connection.getresponse()
        return response, response.read()


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_serves_the_report_and_its_pages_until_a_signal(report, ending):
    with serving(report, "--no-browser", ending=ending) as line:
        response, body = fetch(port_of(line), "/report.html")
        assert response.status == 200
        assert response.headers["Content-Type"].startswith("text/html")
        assert response.headers["Cache-Control"] == "no-cache"
        assert body == BODY.encode()
        assert fetch(port_of(line), "/pages/jump.html")[1] == b"jump"
        assert fetch(port_of(line), "/pages/none.html")[0].status == 404


def test_nothing_above_the_folder_is_served(report):
    with serving(report, "--no-browser") as line:
        for path in (
            "/../secret.txt",
            "/%2e%2e/secret.txt",
            "/pages/../../secret.txt",
            "/..%2fsecret.txt",
            "//../secret.txt",
        ):
            response, body = fetch(port_of(line), path)
            assert response.status == 404 and b"secret" not in body, path
        assert fetch(port_of(line), f"/{report.parent.parent}/secret.txt")[0].status == 404


def test_only_loopback_is_bound(report):
    with serving(report, "--no-browser") as line:
        port = port_of(line)
        bound = [
            fields[1]
            for table in ("/proc/net/tcp", "/proc/net/tcp6")
            if Path(table).exists()
            for fields in map(str.split, Path(table).read_text().splitlines()[1:])
            if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port
        ]
        # The kernel prints the four bytes of 127.0.0.1 as one number, in the machine's own order.
        loopback = f"{int.from_bytes(socket.inet_aton('127.0.0.1'), sys.byteorder):08X}"
        assert bound == [f"{loopback}:{port:04X}"]


def test_a_browser_that_goes_away_leaves_no_trace(report):
    (report.parent / "large.bin").write_bytes(bytes(50_000_000))  # more than any socket buffers
    with serving(report, "--no-browser") as line:
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", port_of(line))) as connection:
                connection.sendall(b"GET /large.bin HTTP/1.0\r\n\r\n")
                connection.recv(1000)
        assert fetch(port_of(line), "/report.html")[1] == BODY.encode()


def test_the_browser_is_opened_at_the_address(report, tmp_path, monkeypatch):
    opened = tmp_path / "opened"
    program = tmp_path / "browser"
    program.write_text(f'#!/bin/sh\necho "$1" > "{opened}.part" && mv "{opened}.part" "{opened}"\n')
    program.chmod(0o755)
    monkeypatch.setenv("BROWSER", f"{program} %s")
    with serving(report) as line:
        for _ in range(200):
            if opened.exists():
                break
            signal.sigtimedwait([], 0.1)
        assert opened.read_text() == f"http://127.0.0.1:{port_of(line)}/report.html\n"


def run(*arguments):
    command = [sys.executable, "-m", "gradlab.serve", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_a_port_in_use_is_named_with_the_remedy(report):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run(report, "--no-browser", "--port", port)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert f"port {port} cannot be opened (Address already in use)" in done.stderr and "--port" in done.stderr


def test_a_port_can_be_chosen(report):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with serving(report, "--no-browser", "--port", port) as line:
        assert port_of(line) == port


@pytest.mark.parametrize("port", ["70000", "-1", "http"])
def test_what_is_no_port_is_refused(report, port):
    done = run(report, f"--port={port}")
    assert done.returncode == 2
    assert f"'{port}' is no port; a port is a number from 0 to 65535" in done.stderr


@pytest.mark.parametrize("name", ["report.html", "", 300 * "x"], ids=["no file", "a folder", "no name of a file"])
def test_a_missing_report_says_what_to_run(tmp_path, name):
    done = run(tmp_path / name)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert "run `make report` first" in done.stderr
