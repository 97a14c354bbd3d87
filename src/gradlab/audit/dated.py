"""The environment of a month: what a notebook imports, in the newest versions that there were, installed by uv."""

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gradlab.engine.sources import find_distributions, imported_modules

_MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")
_UV = (sys.executable, "-P", "-m", "uv", "--quiet", "--native-tls")
_LONGEST = 900  # seconds for each thing that uv does
# What is imported by another name than it is installed by; of what is installed here, that is known.
_NAMES = {
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil",
    "PIL": "pillow",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "umap": "umap-learn",
    "yaml": "pyyaml",
}


class DateError(RuntimeError):
    """There is no environment of that month; the message says why."""


@dataclass(frozen=True)
class Environment:
    """An environment that was made.

    Attributes
    ----------
    python
        Its interpreter.
    versions
        Of all distributions in it.
    version
        Of Python.
    note
        What departs from what was asked for, in a sentence; empty where nothing does.
    """

    python: Path
    version: str
    versions: dict[str, str]
    note: str = ""

    @property
    def description(self) -> dict[str, object]:
        """As a run describes its own."""
        return {"python": self.version, "distributions": self.versions}


def read_month(text: str) -> str:
    """Return a month, as `2021-06`.

    Raises
    ------
    ValueError
        It is none, or has not begun.
    """
    if not _MONTH.fullmatch(text):
        raise ValueError(f"{text!r} is no month; expected one such as 2021-06")
    if text > f"{datetime.now(UTC):%Y-%m}":
        raise ValueError(f"{text} has not begun; expected a month up to now")
    return text


def find_end(month: str) -> str:
    """Return the time at which a month ends, in the form that uv reads."""
    year, count = map(int, month.split("-"))
    return f"{year + count // 12}-{count % 12 + 1:02}-01T00:00:00Z"


def choose_python(month: str, saved: str) -> str:
    """Return the version of Python, as `3.9`, for a notebook of a month.

    The one that it was saved with; where it does not say, the newest that had been out for half a year. Since 2019, one comes
    out every October: 3.9 in 2020.
    """
    if found := re.match(r"3\.\d+", saved):
        return found[0]
    year, count = map(int, month.split("-"))
    return f"3.{max(6, year - 2012 - (count < 4))}"


def find_requirements(notebook: Path) -> list[str]:
    """Return what a notebook asks for: the lines of `requirements.txt` beside it, or what it and modules beside it import."""
    listed = notebook.with_name("requirements.txt")
    if listed.is_file():
        return listed.read_text(encoding="utf-8").splitlines()
    beside = {path.stem for path in notebook.parent.glob("*.py")} | {
        path.name for path in notebook.parent.iterdir() if path.is_dir()
    }
    names: set[str] = set()
    for file in (notebook, *notebook.parent.glob("*.py")):
        try:
            names |= {name.partition(".")[0] for name in imported_modules(file, packages=())}
        except (SyntaxError, ValueError):  # Python 2, or IPython's own syntax
            names |= set(_find_imports(file))
    return sorted({name_distribution(name) for name in names - beside})


def _find_imports(file: Path) -> list[str]:
    found = re.findall(r"(?:^|\"|\\n)\s*(?:import|from)\s+(\w+)", file.read_text(encoding="utf-8"), re.MULTILINE)
    return [name for name in found if name not in sys.stdlib_module_names]


def name_distribution(module: str) -> str:
    """Return the name of the distribution that gives a top-level module."""
    if module in _NAMES:
        return _NAMES[module]
    installed = find_distributions([module])
    return installed.pop() if len(installed) == 1 else module


def make_environment(notebook: Path, month: str, saved: str, into: Path, newer: str = "") -> Environment:
    """Make an environment for a notebook; only wheels are installed, so that nothing of a package runs before the notebook.

    Parameters
    ----------
    notebook
        The notebook.
    month
        As `2021-06`: what was published by its end.
    saved
        The version of Python that it was saved with; empty where that is not known.
    into
        The folder of the environment, with the versions in `requirements.txt`.
    newer
        A package that is to be as new as the others and this Python allow.

    Raises
    ------
    DateError
        Packages of that month do not fit together, do not run under this version of Python, or cannot be fetched.
    """
    note = _make_folder(into, choose_python(month, saved))
    try:
        version, versions = _install(into, month, find_requirements(notebook), newer)
    except DateError as error:
        shutil.rmtree(into, ignore_errors=True)
        raise DateError(f"{error}. {note}".strip(" .")) from None
    return Environment(into / "bin/python", version, versions, note)


def _make_folder(into: Path, python: str) -> str:
    """Make an empty environment with a version of Python; say so where it has another."""
    try:
        _run_uv("venv", "--clear", "--no-project", "--python", python, str(into))
    except DateError:
        _run_uv("venv", "--clear", "--no-project", "--python", sys.executable, str(into))
        return f"uv found no Python {python} on this machine's search path and could not fetch it, so another one was taken."
    return ""


def _install(into: Path, month: str, requirements: Sequence[str], newer: str) -> tuple[str, dict[str, str]]:
    """Install what is required; return the versions of Python and of all distributions."""
    python, versions = str(into / "bin/python"), into / "requirements.txt"
    wheels = ("--python", python, "--only-binary", ":all:")
    dated = ["--exclude-newer", find_end(month), "--no-annotate", "--no-header", "--output-file", str(versions)]
    if newer:
        dated += ["--exclude-newer-package", f"{newer}={datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"]
    _run_uv("pip", "compile", *wheels, *dated, "-", given="\n".join([*requirements, "ipykernel"]))
    _run_uv("pip", "sync", *wheels, str(versions))
    pinned = dict(re.findall(r"^([\w.-]+)==([^\s;]+)", versions.read_text(encoding="utf-8"), re.MULTILINE))
    version = _run(python, "-c", "import platform; print(platform.python_version())").strip()
    return version, pinned


def _run_uv(*arguments: str, given: str = "") -> None:
    _run(*_UV, *arguments, given=given)


def _run(*command: str, given: str = "") -> str:
    """Return what a command prints, or raise DateError with what it says is wrong."""
    try:
        ran = subprocess.run(command, input=given, capture_output=True, text=True, timeout=_LONGEST, check=False)
    except subprocess.TimeoutExpired:
        raise DateError(f"uv took more than {_LONGEST} s") from None
    if ran.returncode:
        said = " ".join(re.sub(r"^\W+|^error: ", "", line).strip() for line in ran.stderr.splitlines())
        raise DateError(said.strip(" .")[:600] or f"uv ended with status {ran.returncode}")
    return ran.stdout
