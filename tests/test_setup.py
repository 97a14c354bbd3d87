"""The Makefile in copies of the project: what it makes of the environment, and what it says where it cannot."""

import os
import re
import runpy
import shutil
import subprocess
import sys
import time
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import machine
import psutil
import pytest
from copies import copy_parts
from packaging.specifiers import SpecifierSet
from packaging.version import Version
from playwright.sync_api import sync_playwright

FIRST = re.compile(r"gradlab: making \.venv, with what requirements\.lock names\ngradlab: installed in \d+ s, by uv\n")
ANEW = re.compile(
    r"gradlab: \.venv is not complete, or is not of this Python and requirements\.lock; making it anew\n"
    r"gradlab: installed in \d+ s, by uv\n"
)
LOCKS = ("requirements.lock", "requirements-torch.lock")
# All that these lock files name in these copies: a package that prints where it lies.
BRICK = "brick-1.0-py3-none-any.whl"


def set_up(folder: Path, project: Path) -> Path:
    """Make a folder with the project's Makefile and a lock file that is quick to install."""
    folder.mkdir(parents=True)
    shutil.copy2(project / "Makefile", folder)
    (folder / "workflow").mkdir()
    shutil.copy2(project / "workflow/install.py", folder / "workflow")
    for lock in LOCKS:
        (folder / lock).write_text(f"./{BRICK}\n")
    files = {
        "brick.py": "print(__file__)\n",
        "brick-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: brick\nVersion: 1.0\n",
        "brick-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "brick-1.0.dist-info/RECORD": "",
    }
    with zipfile.ZipFile(folder / BRICK, "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)
    return folder


def start_make(folder: Path, *arguments: str, **variables: str) -> subprocess.Popen[str]:
    """Start make as a user would, and not as a part of the make that may run these tests."""
    ours = ("MAKE", "MFLAGS", "PYTHON")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return subprocess.Popen(
        ["make", *arguments],
        cwd=folder,
        env={**environment, "PYTHON": sys.executable, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def make(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run make to its end."""
    process = start_make(folder, *arguments, **variables)
    printed, complaints = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, printed, complaints)


def find_brick(folder: Path) -> Path:
    """Where the environment of a folder has its package."""
    command = [".venv/bin/python", "-P", "-m", "brick"]
    found = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout
    return Path(found.strip())


@pytest.fixture(scope="module")
def made(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose environment is made, by a user whose settings send what pip installs elsewhere."""
    folder = set_up(tmp_path_factory.mktemp("setup") / "made", project)
    settings = folder.parent / "pip.conf"
    settings.write_text("[install]\nuser = true\ntarget = elsewhere\nprefix = elsewhere\n")
    elsewhere = {"PIP_USER": "1", "PIP_TARGET": "elsewhere", "PIP_PREFIX": "elsewhere"}
    done = make(folder, "setup", PIP_CONFIG_FILE=str(settings), **elsewhere)
    assert done.returncode == 0, done.stderr
    assert FIRST.fullmatch(done.stdout)
    return folder


@pytest.fixture
def moved(made: Path, tmp_path: Path) -> Path:
    """The folder, with its environment, in another place."""
    return shutil.copytree(made, tmp_path / "moved", symlinks=True)


def test_the_users_settings_of_pip_do_not_matter(made):
    assert find_brick(made).is_relative_to(made / ".venv/lib")
    assert not (made / "elsewhere").exists()


def test_where_uv_fails_pip_installs(project, tmp_path):
    folder = set_up(tmp_path / "by_pip", project)
    uv = tmp_path / "bin/uv"
    uv.parent.mkdir()
    uv.write_text("#!/bin/sh\nexit 2\n")
    uv.chmod(0o755)
    done = make(folder, "setup", PATH=f"{uv.parent}:{os.environ['PATH']}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(" s, by pip, since uv could not\n")
    assert find_brick(folder).is_relative_to(folder / ".venv/lib")


def test_uv_looks_where_pip_is_set_to_look(tmp_path, monkeypatch):
    settings = tmp_path / "pip.conf"
    settings.write_text(
        "[global]\nindex-url = https://first.example/simple\nfind-links = /not/this\ncert = /some/ca.pem\n"
        "[install]\nextra-index-url =\n    https://second.example/simple\n    file:///third\n"
    )
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(settings))
    monkeypatch.setenv("HOME", str(tmp_path))  # no settings of the user's own
    monkeypatch.setenv("PIP_FIND_LINKS", "/wheels")
    found = runpy.run_path("workflow/install.py")["find_places"]()
    assert found["UV_DEFAULT_INDEX"] == "https://first.example/simple"
    assert found["UV_INDEX"] == "https://second.example/simple file:///third"
    assert found["UV_FIND_LINKS"] == "/wheels"
    assert found["SSL_CERT_FILE"] == "/some/ca.pem"
    assert found["UV_INDEX_STRATEGY"] == "unsafe-best-match"


def test_what_is_complete_is_left_alone_also_where_it_was_moved(moved):
    before = (moved / ".venv/installed").stat().st_mtime_ns
    done = make(moved, "setup")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (moved / ".venv/installed").stat().st_mtime_ns == before
    assert find_brick(moved).is_relative_to(moved / ".venv/lib")


def lose_interpreter(folder: Path) -> None:
    (folder / ".venv/bin/python").unlink()
    (folder / ".venv/bin/python").symlink_to("/no/such/python")


def change_interpreter(folder: Path) -> None:
    installed = folder / ".venv/installed"
    installed.write_text(re.sub(r"cpython-\d+", "cpython-310", installed.read_text()))


def change_lock(folder: Path) -> None:
    lock = folder / "requirements.lock"
    times = lock.stat()
    lock.write_text(f"# changed\n{lock.read_text()}")
    os.utime(lock, (times.st_atime, times.st_mtime - 3600))  # as where an older file is checked out


@pytest.mark.parametrize("damage", [lose_interpreter, change_interpreter, change_lock])
def test_an_environment_that_no_longer_fits_is_made_anew(moved, damage):
    damage(moved)
    (moved / ".venv/left_over").touch()
    done = make(moved, "setup")
    assert done.returncode == 0, done.stderr
    assert ANEW.fullmatch(done.stdout)
    assert find_brick(moved).is_relative_to(moved / ".venv/lib")
    assert not (moved / ".venv/left_over").exists()


def test_a_link_in_the_place_of_the_environment_gives_way_and_what_it_leads_to_stays(moved, tmp_path):
    shutil.move(moved / ".venv", tmp_path / "elsewhere")
    (tmp_path / "elsewhere/installed").write_text("of another lock file")
    (moved / ".venv").symlink_to(tmp_path / "elsewhere")
    done = make(moved, "setup")
    assert done.returncode == 0, done.stderr
    assert ANEW.fullmatch(done.stdout)
    assert find_brick(moved).is_relative_to(moved / ".venv/lib") and not (moved / ".venv").is_symlink()
    assert (tmp_path / "elsewhere/installed").read_text() == "of another lock file"
    assert (tmp_path / "elsewhere/bin/python").exists()


def test_a_set_up_that_was_killed_is_made_anew(project, tmp_path):
    folder = set_up(tmp_path / "killed", project)
    process = start_make(folder, "setup")
    while not (children := find_installing(process)):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    for one in (process, *children):
        one.kill()
    process.communicate()
    done = make(folder, "setup")
    assert done.returncode == 0, done.stderr
    assert ANEW.fullmatch(done.stdout)
    assert find_brick(folder).is_relative_to(folder / ".venv/lib")


def find_installing(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """All that make has started, once pip is at work."""
    try:
        children = psutil.Process(process.pid).children(recursive=True)
        return children if any("install" in child.cmdline() for child in children) else []
    except psutil.Error:
        return []


def refused(folder: Path, *arguments: str, **variables: str) -> str:
    """What make says where it refuses: a line of ours, and its own below it."""
    done = make(folder, *arguments, **variables)
    said, *own = done.stderr.splitlines()
    assert done.returncode != 0
    assert [line for line in own if not re.match(r"make(\[\d+\])?: \*\*\*", line)] == []
    return said


def test_a_path_that_no_environment_can_have_is_refused(project, tmp_path):
    folder = set_up(tmp_path / "a:b", project)
    assert re.fullmatch(r"gradlab: the project's path, .*/a:b, contains ':'.*; move it", refused(folder, "setup"))
    assert not (folder / ".venv").exists()


@pytest.mark.parametrize("python", ["/no/such/python", "false"])
def test_no_python_or_an_old_one_is_refused(project, tmp_path, python):
    folder = set_up(tmp_path / "project", project)
    said = refused(folder, "setup", PYTHON=python)
    assert said.startswith(
        f"gradlab needs Python 3.11 or newer, and '{python}' is not that; name one with: make PYTHON="
    )
    assert not (folder / ".venv").exists()


@pytest.mark.parametrize("user", [0, 1000])
def test_a_python_without_venv_is_refused_with_the_remedy(project, tmp_path, user):
    """Root's apt-get, which is asked first, has no such package here; the real one is used where there is nothing yet."""
    folder = set_up(tmp_path / "project", project)
    tools = tmp_path / "tools"
    tools.mkdir()
    scripts = {
        "python": f'case "$2" in *ensurepip*) exit 1;; esac\nexec "{sys.executable}" "$@"',
        "apt-get": f'echo "$*" >> "{tmp_path}/asked"\nexit 100',
        "id": f"echo {user}",
    }
    for name, script in scripts.items():
        (tools / name).write_text(f"#!/bin/sh\n{script}\n")
        (tools / name).chmod(0o755)
    said = refused(folder, "setup", PYTHON="python", PATH=f"{tools}:{os.environ['PATH']}")
    assert "'python' lacks the modules venv and ensurepip" in said and "apt-get install python3-venv" in said
    assert (tmp_path / "asked").exists() == (user == 0)
    assert not (folder / ".venv").exists()


@pytest.fixture
def equipped(project: Path, tmp_path: Path) -> Path:
    """A copy of the project, in a folder with a space in its name, whose environment takes all packages from this one."""
    root = tmp_path / "my project"
    parts = (
        "Makefile",
        "Snakefile",
        "config",
        "notebooks",
        "profiles",
        "pyproject.toml",
        *LOCKS,
        "src",
        "workflow",
    )
    root.mkdir()
    copy_parts(project, root, parts)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = root / ".venv/lib" / version / "site-packages"
    packages.mkdir(parents=True)
    (packages / "all.pth").write_text(f"{Path(sys.prefix, 'lib', version, 'site-packages')}\n")
    (root / ".venv/bin").mkdir()
    python = Path(sys.base_prefix, "bin", version)
    (root / ".venv/bin/python").symlink_to(python)
    (root / ".venv/pyvenv.cfg").write_text(f"home = {python.parent}\n")
    locks = "".join((root / lock).read_text() for lock in LOCKS)
    (root / ".venv/installed").write_text(f"# {sys.implementation.cache_tag}\n{locks}")
    return root


@pytest.mark.workflow
def test_a_space_in_the_path_and_files_named_like_modules_change_nothing(equipped):
    for name in ("random", "platform", "torch"):
        (equipped / f"{name}.py").write_text("raise SystemExit('this is not the module')\n")
    cell = "results/autodiff/published/jump"
    done = make(equipped, "cell", "--eval", f"cell: setup; @$(SNAKEMAKE) {cell}/metrics.json")
    assert done.returncode == 0, done.stderr
    assert (equipped / cell / "manifest.json").exists()


@pytest.fixture
def served(equipped: Path) -> Iterator[str]:
    """The line in which `make serve` tells where a report is served."""
    (equipped / "results/quick").mkdir(parents=True)
    (equipped / "results/quick/report.html").write_text("the report")
    (equipped / "results/secret.txt").write_text("a secret")
    process = start_make(equipped, "serve", "RESULTS=results/quick")
    try:
        assert process.stdout.readline() == "report.html is at the address below; Ctrl-C ends it\n"
        yield process.stdout.readline()
    finally:
        for one in (*psutil.Process(process.pid).children(recursive=True), process):
            one.terminate()
        process.communicate()


def test_a_report_is_served_to_this_machine_alone(served):
    address = re.search(r"http://127\.0\.0\.1:\d+/", served)[0]
    with urllib.request.urlopen(f"{address}report.html") as answer:
        assert answer.read() == b"the report"
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"{address}../secret.txt")


def test_where_there_is_no_report_serve_says_so(equipped):
    assert refused(equipped, "serve") == "gradlab: there is no results/report.html; run 'make report' first"


def test_every_version_installs_on_the_oldest_python_that_is_promised():
    """Not only on the one that chose these versions."""
    needed = {package.name: package.metadata.get("Requires-Python") for package in distributions()}
    assert [name for name, which in needed.items() if which and Version("3.11.0") not in SpecifierSet(which)] == []


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """A browser that lacks a library."""
    path = tmp_path / "chromium"
    path.write_text("#!/bin/sh\necho 'error while loading shared libraries: libnss3.so' >&2\nexit 127\n")
    path.chmod(0o755)
    return path


def in_a_thread(call: Callable[[], Any]) -> Any:
    """Call something where no other test's Playwright runs: a thread has one at most."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(call).result()


def test_a_browser_that_does_not_start_does_not_count(broken, monkeypatch):
    monkeypatch.setenv("CHROMIUM", str(broken))

    def launch():
        with sync_playwright() as playwright, closing(machine.launch_browser(playwright)) as browser:
            return browser.version

    assert in_a_thread(launch)


def test_where_no_browser_starts_each_is_named_with_the_reason(broken, monkeypatch):
    monkeypatch.setenv("CHROMIUM", str(broken))
    monkeypatch.setenv("PATH", "/no/such/folder")
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(broken.parent / "none"))
    said = r"no browser starts \(.*/chromium: .*libnss3.*; of Playwright: .*\); install Chromium, or set CHROMIUM to its path"

    def launch():
        with sync_playwright() as playwright:
            machine.launch_browser(playwright)

    with pytest.raises(machine.MissingError, match=said):
        in_a_thread(launch)


def test_services_take_root(monkeypatch, capsys):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert machine.main(["services"]) == 1
    assert re.fullmatch(r"gradlab: these tests .* takes root: sudo make test-system\n", capsys.readouterr().err)


def test_the_container_calls_targets_of_the_makefile(project):
    called = re.findall(r'^(?:RUN|CMD).*\bmake\W+([a-z-]+)"?\]?$', (project / "Dockerfile").read_text(), re.MULTILINE)
    assert called == ["setup", "quick"]
    for target in called:
        subprocess.run(["make", "-n", target], cwd=project, check=True, capture_output=True)
