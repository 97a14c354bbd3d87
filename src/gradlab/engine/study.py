"""The contract between a study and the engine: what a cell is, what a study is, and how studies are found.

A study is a package with these modules:

`study`
    `STUDY`, a `Study`: what it is called, and what it asks.
`config`
    `Config`, a pydantic model: its section of the configuration. With the defaults, it is the study as published.
`plan`
    `cells(config)`, which returns the list of its cells. It is pure, and quick.
`claims`, where there are any
    `CONCLUSIONS` and `ERRATA`: what its results say, see `gradlab.engine.claims`.
`section`, where the report's default section is not enough
    `show(material)`, which returns the blocks of its section.

Beside them, `published/` holds what was printed: `figures.yaml`, see `gradlab.engine.figures`, and logs. Notebooks import other
modules of the package; those named above belong to planning and to the report, and no notebook imports them.
"""

import importlib
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from gradlab.files import find_own

if TYPE_CHECKING:
    from pydantic import BaseModel

Json = bool | int | float | str | None | Sequence["Json"] | Mapping[str, "Json"]

PROTOCOLS = ("published", "corrected")
# What the engine gives to every notebook itself: the folder of the cell's results.
OUTPUT = "output"
# What every cell writes.
RESULTS = ("notebook.ipynb", "metrics.json", "curves.csv")
PACKAGES = ("gradlab.studies",)
_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_-])?")


class StudyError(ValueError):
    """A study that does not keep the contract; the message says where, what was found and what is expected."""


@dataclass(frozen=True)
class Resources:
    """What a cell needs of a machine.

    Attributes
    ----------
    memory
        Megabytes, without those of CUDA.
    minutes
        The most that it takes; of cells that never ran here, those with more minutes start first.
    threads
        Threads of BLAS, OpenMP and torch.
    local
        Whether it is too short for a cluster's queue.
    """

    memory: int = 1000
    minutes: int = 10
    threads: int = 1
    local: bool = False


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One experiment: a notebook with its parameters, and what the engine has to know of it. No parameter's name has a meaning.

    Attributes
    ----------
    study, protocol, name
        Where its results go: `results/<study>/<protocol>/<name>/`. The protocol is one of `PROTOCOLS`.
    notebook
        `notebooks/<study>/<notebook>.ipynb`.
    parameters
        What the notebook is given, as it is. `output`, the folder of the results, is given by the engine.
    data
        Parameters of the notebook that are given the folder of a prepared data set: parameter → data set.
    reads
        Parameters of the notebook that are given the metrics of other cells: parameter → `key` of a cell, for the path of its
        metrics, or several keys, for a list of paths.
    device
        The parameter of the notebook that is given `cpu` or `cuda`, by the configuration; None where a GPU is never used.
    metrics
        Names of metrics that figures are compared with and claims look up: the notebook writes these, and may write more.
    figures, files
        The names of the SVG files that it writes, and of others, beside notebook, metrics and curves.
    replicates
        Seeds: a metric that is a list has a value for each, in this order; one seed, and a number is its value.
    resolution
        Where a metric is the upper end of a bracket: how far the lower end may be below it, as a share.
    resources
        What it needs of a machine.
    """

    study: str
    protocol: str
    name: str
    notebook: str
    parameters: Mapping[str, Json] = field(default_factory=dict)
    data: Mapping[str, str] = field(default_factory=dict)
    reads: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    device: str | None = None
    metrics: Sequence[str] = ()
    figures: Sequence[str] = ()
    files: Sequence[str] = ()
    replicates: Sequence[int] = ()
    resolution: float = 0.0
    resources: Resources = Resources()

    def __post_init__(self) -> None:
        if self.protocol not in PROTOCOLS:
            raise StudyError(f"{self.key}: the protocol is {self.protocol!r}; expected one of {', '.join(PROTOCOLS)}")
        for what, name in (("study", self.study), ("name", self.name), ("notebook", self.notebook)):
            if not (isinstance(name, str) and _NAME.fullmatch(name)):
                raise StudyError(f"{self.key}: the {what} is {name!r}; expected letters, digits and . _ - alone")
        given = [*self.parameters, *self.data, *self.reads, *([self.device] if self.device else [])]
        if OUTPUT in given:
            raise StudyError(
                f"{self.key}: the parameter '{OUTPUT}' is the folder of the cell's results, which the engine gives to every "
                "notebook; give yours another name"
            )
        if twice := [name for name in dict.fromkeys(given) if given.count(name) > 1]:
            raise StudyError(
                f"{self.key}: the parameter '{twice[0]}' is given twice; parameters, data, reads and device differ"
            )
        try:
            same = json.loads(json.dumps(dict(self.parameters), allow_nan=False)) == dict(self.parameters)
        except (TypeError, ValueError):
            same = False
        if not same:
            raise StudyError(f"{self.key}: its parameters are not what JSON can hold: {dict(self.parameters)!r}")

    @property
    def key(self) -> str:
        """`<study>/<protocol>/<name>`."""
        return f"{self.study}/{self.protocol}/{self.name}"

    @property
    def template(self) -> str:
        """The path of its notebook, in the working directory or in the project."""
        return find_own(f"notebooks/{self.study}/{self.notebook}.ipynb")

    @property
    def sources(self) -> tuple[str, ...]:
        """The cells whose metrics it reads, each once."""
        named = (cells for cells in self.reads.values())
        return tuple(dict.fromkeys(key for cells in named for key in ([cells] if isinstance(cells, str) else cells)))

    @property
    def outputs(self) -> tuple[str, ...]:
        """The files that it writes, but for the manifest."""
        return (*RESULTS, *self.figures, *self.files)


@dataclass(frozen=True)
class Study:
    """What a study is called and asks; its parts are modules of its package, imported when they are asked for.

    Attributes
    ----------
    title, short
        Its title, and its name in a word or two.
    question
        What it asks, in a sentence.
    source
        What was published: title, and where it can be read.
    name, package
        The last part of its package's name, and the whole; filled in where it is found.
    """

    title: str
    short: str
    question: str
    source: str
    name: str = ""
    package: str = ""

    @property
    def config(self) -> "type[BaseModel]":
        """The model of its section of the configuration."""
        config: type[BaseModel] = self._demand("config", "Config")
        return config

    @property
    def cells(self) -> Callable[[Any], Sequence[Cell]]:
        """The function that plans its cells."""
        cells: Callable[[Any], Sequence[Cell]] = self._demand("plan", "cells")
        return cells

    @property
    def claims(self) -> ModuleType | None:
        """What its results say; None where it says nothing."""
        return self._part("claims")

    @property
    def section(self) -> Callable[[Any], list[Any]] | None:
        """The function that shows it in the report; None where the default does."""
        part = self._part("section")
        return None if part is None else part.show

    @property
    def published(self) -> Path:
        """The folder of what was printed."""
        return Path(importlib.import_module(self.package).__path__[0]) / "published"

    def _demand(self, module: str, name: str) -> Any:
        part = self._part(module)
        if part is None or not hasattr(part, name):
            raise StudyError(
                f"the study {self.name} has no {self.package}.{module} with `{name}`; see gradlab.engine.study"
            )
        return getattr(part, name)

    def _part(self, module: str) -> ModuleType | None:
        full = f"{self.package}.{module}"
        return importlib.import_module(full) if find_spec(full) else None


def discover(packages: Sequence[str] = PACKAGES) -> dict[str, Study]:
    """Return the studies of some packages by name: their sub-packages that have a module `study`.

    Parameters
    ----------
    packages
        Names of packages; or paths of folders, each of them a package.

    Raises
    ------
    StudyError
        A package is not there, two studies have one name, or a `study` holds no `STUDY`.
    """
    studies: dict[str, Study] = {}
    for package in packages:
        if "/" in package:
            folder = Path(package).absolute()
            if str(folder.parent) not in sys.path:
                sys.path.append(str(folder.parent))
        name = Path(package).name if "/" in package else package
        try:
            places = [Path(place) for place in importlib.import_module(name).__path__]
        except (ImportError, AttributeError) as error:
            raise StudyError(f"there is no package {package} to look for studies in ({error})") from None
        if "/" in package and folder.resolve() not in [place.resolve() for place in places]:
            raise StudyError(f"{name} is also the name of the package {places[0]}; rename the folder {package}")
        for file in sorted(file for place in places for file in place.glob("*/study.py")):
            full = f"{name}.{file.parent.name}"
            if not file.with_name("__init__.py").exists():
                raise StudyError(f"{file.parent} is no package: add an empty file __init__.py")
            study = getattr(importlib.import_module(f"{full}.study"), "STUDY", None)
            if not isinstance(study, Study):
                raise StudyError(f"{full}.study holds no STUDY, a gradlab.engine.study.Study; add it")
            if file.parent.name in studies:
                raise StudyError(
                    f"two studies are called {file.parent.name}: {studies[file.parent.name].package} and {full}"
                )
            studies[file.parent.name] = replace(study, name=file.parent.name, package=full)
    return studies


_IN_KEY = ("study", "protocol", "name")


def cell_as_json(cell: Cell) -> dict[str, Any]:
    """Return what a plan holds of a cell under its key."""
    plain = {item.name: getattr(cell, item.name) for item in fields(cell) if item.name not in _IN_KEY}
    content: dict[str, Any] = json.loads(json.dumps(plain, default=vars))
    return content


def cell_from_json(key: str, content: Mapping[str, Any]) -> Cell:
    """Return the cell of which a plan holds `content` under `key`; what else stands there is passed over."""
    known = {item.name: content[item.name] for item in fields(Cell) if item.name in content}
    if "resources" in known:
        known["resources"] = Resources(**known["resources"])
    return Cell(**known | dict(zip(_IN_KEY, key.split("/"), strict=True)))
