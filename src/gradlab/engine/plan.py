"""The plan of a run: every cell, what its notebook is given, and its recipe, which is all that its results depend on.

The workflow makes it at each start, and writes it as `plan.json` before the first job; jobs and report read it there.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from gradlab.data import DATASETS
from gradlab.engine.manifest import digest_content, find_changed_outputs, read_manifest
from gradlab.engine.notebook import check_notebooks
from gradlab.engine.sources import PACKAGE, imported_packages, imported_sources
from gradlab.engine.study import OUTPUT, Cell, Study, StudyError, cell_as_json, discover
from gradlab.files import sha256

# What the report writes beside its folders, in the order in which `snakemake --report` shows it.
REPORT = ("report.html", "ledger.html", "ledger.csv", "ledger.json", "errata.csv")
# Modules of a study that the report imports, and no notebook.
_TOLD = ("study", "claims", "section")


def plan_cells(studies: Mapping[str, Study], sections: Mapping[str, Any]) -> dict[str, Cell]:
    """Return the cells of studies by their keys.

    Parameters
    ----------
    studies
        The studies that were found.
    sections
        The configuration of each that is on, in their order.

    Raises
    ------
    StudyError
        A cell is planned twice or for another study; it reads one that is not planned, or itself; there is no such data set;
        two cells of one notebook write different files, or need different resources; or two declare one metric.
    """
    cells: dict[str, Cell] = {}
    for name, section in sections.items():
        for cell in studies[name].cells(section):
            if cell.study != name:
                raise StudyError(f"the study {name} plans {cell.key}; a study plans its own cells alone")
            if cell.key in cells:
                raise StudyError(f"{cell.key} is planned twice; give one of the two another name")
            cells[cell.key] = cell
    first: dict[str, Cell] = {}
    for cell in cells.values():
        for data in cell.data.values():
            if data not in DATASETS:
                raise StudyError(f"{cell.key}: there is no data set {data!r}; expected one of {', '.join(DATASETS)}")
        for key in cell.sources:
            if key not in cells:
                raise StudyError(f"{cell.key} reads {key}, which is not planned")
        other = first.setdefault(cell.template, cell)
        if (other.outputs, other.resources) != (cell.outputs, cell.resources):
            raise StudyError(
                f"{other.key} and {cell.key} have one notebook, {cell.template}, and differ in figures, files or resources, "
                "which belong to a notebook: give both the same, or two notebooks"
            )
    _check_metrics(cells.values())
    try:
        TopologicalSorter({key: cell.sources for key, cell in cells.items()}).prepare()
    except CycleError as error:
        raise StudyError(f"cells wait for one another: {' reads '.join(error.args[1])}") from None
    return cells


def _check_metrics(cells: Iterable[Cell]) -> None:
    """Refuse two cells that declare one metric, and are not replicates of one another: nobody could tell whose value it is."""
    declared: dict[tuple[str, str, str, int | None], str] = {}
    for cell in cells:
        seeds: Sequence[int | None] = cell.replicates or [None]
        for metric in cell.metrics:
            for seed in seeds:
                other = declared.setdefault((cell.study, cell.protocol, metric, seed), cell.key)
                if other != cell.key:
                    raise StudyError(
                        f"{other} and {cell.key} both declare the metric {metric}: give one of them another, or each "
                        "`replicates` of its own"
                    )


def describe_cells(
    cells: Mapping[str, Cell],
    studies: Mapping[str, Study],
    *,
    results: Path,
    data: Path,
    device: str,
    prepared_by: Mapping[str, str],
    rounding: str | None = None,
) -> dict[str, Any]:
    """Return what a plan holds of cells, from what is in the working directory, which is the project.

    Parameters
    ----------
    cells
        As `plan_cells` returns them.
    studies
        The studies that were found.
    results, data
        The folders of results and of prepared data.
    device
        `cpu` or `cuda`.
    prepared_by
        The digests of the code that prepares the data.
    rounding
        The context of all cells; see `gradlab.engine.rounding`.

    Returns
    -------
    dict
        For each key what `gradlab.engine.study.cell_as_json` returns, and: `given`, what its notebook is given but for
        `output`; `inputs`, files of other cells and of data sets; `imports`, the modules that its notebook imports; `packages`,
        the versions of other packages that these import; `rounding`, the context; `recipe`, a digest of all this with the
        contents of the files and the recipes of the cells that it reads: a change is a change of all cells that depend on it.

    Raises
    ------
    ParameterError
        Notebooks and what they would be given do not fit together.
    """
    given = {key: _fill_in(cell, results, data, device) for key, cell in cells.items()}
    check_notebooks((cell.template, {**given[key], OUTPUT: ""}) for key, cell in cells.items())
    roots = find_roots(studies.values())

    @cache
    def read(template: str) -> tuple[list[str], dict[str, str], dict[str, str]]:
        imports = [os.path.relpath(path) for path in imported_sources(template, packages=roots)]
        packages = imported_packages(template, packages=roots)
        return imports, packages, {path: sha256(Path(path)) for path in (template, *imports)}

    planned: dict[str, Any] = {}
    for key in TopologicalSorter({key: cell.sources for key, cell in cells.items()}).static_order():
        cell = cells[key]
        imports, packages, files = read(cell.template)
        recipe = {
            "given": given[key],
            "files": files,
            "packages": packages,
            "data": dict(prepared_by) if cell.data else {},
            "reads": {source: planned[source]["recipe"] for source in cell.sources},
            "outputs": cell.outputs,
            "rounding": rounding,
        }
        planned[key] = {
            **cell_as_json(cell),
            "given": given[key],
            "inputs": [
                *(str(data / name / "dataset.json") for name in dict.fromkeys(cell.data.values())),
                *(str(metrics_of(source, results)) for source in cell.sources),
            ],
            "imports": imports,
            "packages": packages,
            "rounding": rounding,
            "recipe": digest_content(recipe),
        }
    return {key: planned[key] for key in cells}


def find_studies(plan: Mapping[str, Any]) -> dict[str, Study]:
    """Return the studies of a plan that was written, in its order."""
    found = discover(plan["packages"])
    return {name: found[name] for name in plan["studies"]}


def metrics_of(key: str, results: Path) -> Path:
    """Return where the metrics of a cell lie."""
    return results / key / "metrics.json"


def _fill_in(cell: Cell, results: Path, data: Path, device: str) -> dict[str, Any]:
    """Return all that a notebook is given but for its folder."""
    given = dict(cell.parameters) | {parameter: str(data / name) for parameter, name in cell.data.items()}
    for parameter, keys in cell.reads.items():
        if isinstance(keys, str):
            given[parameter] = str(metrics_of(keys, results))
        else:
            given[parameter] = [str(metrics_of(key, results)) for key in keys]
    return given | ({cell.device: device} if cell.device else {})


def find_roots(studies: Iterable[Study]) -> tuple[Path, ...]:
    """Return the folders of this package and of every package that holds a study."""
    others = {study.published.parents[study.package.count(".")] for study in studies}
    return (PACKAGE, *sorted(others - {PACKAGE}))


def describe_report(
    plan: Mapping[str, Any], root: Path, studies: Iterable[Study], materials: Sequence[Path]
) -> dict[str, Any]:
    """Return `recipe` and `inputs` of the manifest of a report that would be rendered now.

    Parameters
    ----------
    plan
        The plan.
    root
        The folder of results.
    studies
        The studies that are shown.
    materials
        Files, and folders of files, that it is made from beside results of cells, what studies publish, modules and templates.
    """
    studies = list(studies)
    manifests = [root / key / "manifest.json" for key in plan["cells"]]
    logs = [root / f"logs/{key}.ipynb" for key in plan["cells"]]
    modules = [PACKAGE / "report/build.py"]
    modules += [study.published.parent / f"{module}.py" for study in studies for module in _TOLD]
    modules = [module for module in modules if module.is_file()]
    published = [study.published for study in studies]
    materials = [PACKAGE / "report/templates", *materials]
    files = [
        *manifests,
        *logs,
        *materials,
        *published,
        *modules,
        *imported_sources(*modules, packages=find_roots(studies)),
    ]
    files = [file for path in files for file in (path.rglob("*") if path.is_dir() else [path]) if file.is_file()]
    return {
        "recipe": digest_content(plan["cells"]),
        "inputs": {os.path.relpath(file): sha256(file) for file in sorted(files) if file.suffix != ".pyc"},
    }


def is_rendered(plan: Mapping[str, Any], root: Path, studies: Iterable[Study], materials: Sequence[Path]) -> bool:
    """Tell whether the report that lies there is whole, and the one that would be rendered now; see `describe_report`."""
    try:
        manifest = read_manifest(root / "manifest.json")
    except ValueError:
        return False
    return (
        manifest is not None
        and {key: manifest.get(key) for key in ("recipe", "inputs")} == describe_report(plan, root, studies, materials)
        and not list(find_changed_outputs(root, manifest))
    )
