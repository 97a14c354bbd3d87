"""Without namespaces a run is held within limits all the same, and the audit says what it was not shut off from."""

import subprocess

import psutil
import pytest
from audit.corpus import SAME, Case, write_case

from gradlab.audit import isolation
from gradlab.audit.examine import audit_notebook
from gradlab.audit.isolation import Limits, choose_environment, end_marked


@pytest.fixture
def no_namespaces(monkeypatch):
    monkeypatch.setattr(isolation, "has_namespaces", lambda: False)


def test_without_namespaces_it_is_said_what_is_open_and_nothing_is_left(no_namespaces, tmp_path):
    source = "import subprocess\nsubprocess.Popen(['setsid', 'sleep', '601'])\nprint('a', 1)"
    file = write_case(Case([(source, "a 1\n", [SAME])]), tmp_path / "paper.ipynb")
    audit = audit_notebook(file, tmp_path / "out", limits=Limits(seconds=60))
    assert audit.is_same
    assert "could not be shut off from files outside of its folder, the network." in audit.notes[0]
    named = [process.info["cmdline"] for process in psutil.process_iter(["cmdline"])]
    assert ["sleep", "601"] not in named


def test_a_run_sees_no_secret_and_no_proxy_unless_it_may_use_the_network(tmp_path, monkeypatch):
    for name in ("A_TOKEN", "https_proxy", "LC_ALL"):
        monkeypatch.setenv(name, "x")
    seen = choose_environment(tmp_path, "m", Limits())
    assert (
        "A_TOKEN" not in seen and "https_proxy" not in seen and seen["LC_ALL"] == "x" and seen["HOME"] == str(tmp_path)
    )
    assert "https_proxy" in choose_environment(tmp_path, "m", Limits(network=True))


def test_what_has_the_mark_is_ended_and_nothing_else():
    marked, other = (
        subprocess.Popen(["sleep", "602"], env={isolation.MARK: mark, "PATH": "/usr/bin:/bin"})
        for mark in ("mine", "other")
    )
    try:
        end_marked("mine")
        assert marked.wait(5) == -9
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()
