"""What is planned, and what a change makes run again: by recipes and manifests, without Snakemake."""

import shutil
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import make_notebook
from made_cells import finish_cell
from made_runs import seal
from made_studies import make_study, write

from gradlab.data import DATASETS
from gradlab.engine import cell as runner
from gradlab.engine.manifest import find_outdated
from gradlab.engine.notebook import ParameterError
from gradlab.engine.plan import describe_cells, describe_report, find_roots, find_studies, is_rendered, plan_cells
from gradlab.engine.study import Cell, Resources, StudyError
from gradlab.files import save_json

DATA = next(iter(DATASETS))
FIRST, SECOND, THIRD, OTHER = KEYS = [f"made/published/{name}" for name in ("first", "second", "third", "other")]
CHAIN, ALONE = "notebooks/made/chain.ipynb", "notebooks/made/alone.ipynb"
WRITE = "for name in ('metrics.json', 'curves.csv', 'plot.svg'):\n    open(f'{output}/{name}', 'a').close()"
UPSTREAM = "ran with other code or data, or a cell that it reads has changed"


def make(name, **fields):
    return Cell(**{"study": "made", "protocol": "published", "name": name, "notebook": "chain"} | fields)


# Which cells there are -----------------------------------------------------------------------------


def test_the_cells_of_studies_stand_in_the_order_of_the_configuration(tmp_path):
    one, two = make("one", data={"images": DATA}), make("two", study="late")
    studies = {"late": make_study(tmp_path / "b", two, name="late"), "made": make_study(tmp_path / "a", one)}
    assert list(plan_cells(studies, {"made": None, "late": None}).values()) == [one, two]
    assert list(plan_cells(studies, {"late": None})) == [two.key]


def test_cells_of_other_replicates_or_another_protocol_may_declare_one_metric(tmp_path):
    cells = [make("one", metrics=["m"], replicates=[0]), make("two", metrics=["m"], replicates=[1, 2])]
    cells.append(make("one", metrics=["m"], replicates=[0], protocol="corrected"))
    assert list(plan_cells({"made": make_study(tmp_path, *cells)}, {"made": None}).values()) == cells


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ([make("one", study="late")], "the study made plans late/published/one; a study plans its own cells alone"),
        ([make("one"), make("one")], "made/published/one is planned twice; give one of the two another name"),
        ([make("one", data={"images": "digits"})], f"one: there is no data set 'digits'; expected one of {DATA}"),
        ([make("one", reads={"x": FIRST})], f"made/published/one reads {FIRST}, which is not planned"),
        ([make("one", reads={"x": "made/published/one"})], "another: made/published/one reads made/published/one"),
        (
            [make("first", reads={"x": SECOND}), make("second", reads={"x": [FIRST]})],
            "cells wait for one another: made",
        ),
        *(
            (
                [make("one", metrics=["m"], **own), make("two", metrics=["m"], **own)],
                "made/published/one and made/published/two both declare the metric m: give one of them another, or each ",
            )
            for own in ({}, {"replicates": [0]})
        ),
        *(
            (
                [make("one"), make("two", **other)],
                "made/published/one and made/published/two have one notebook, notebooks/",
            )
            for other in ({"figures": ["a.svg"]}, {"files": ["a"]}, {"resources": Resources(threads=2)})
        ),
    ],
)
def test_cells_that_do_not_go_together_are_refused(tmp_path, cells, message):
    with pytest.raises(StudyError) as refused:
        plan_cells({"made": make_study(tmp_path, *cells)}, {"made": None})
    assert message in str(refused.value)


# What they depend on -------------------------------------------------------------------------------


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A project of four cells that have run, as the working directory: a chain of three, and one that reads data alone.

    `plan` plans them, with other fields of a cell by its name; `outdated` returns which of them such a plan would run again.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("gradlab.engine.plan.PACKAGE", tmp_path / "src/gradlab")
    write(tmp_path / "src/gradlab/lab/shared.py", "import numpy\n")
    write(tmp_path / f"results/data/{DATA}/dataset.json", "{}")
    modules = {
        "science": "from .numbers import ONE\n",
        "numbers": "ONE = 1\n",
        "unused": "",
        "claims": "from . import numbers\n",
    }
    made = make_study(tmp_path, **modules)
    write(tmp_path / CHAIN, "")
    chain = "value: int = 1\nimages: str = ''\none: str = ''\nmany: list = []\non: str = ''\noutput: str = ''"
    make_notebook(tmp_path / CHAIN, f"from {made.package} import science", WRITE, parameters=chain)
    make_notebook(tmp_path / ALONE, "from gradlab.lab import shared", parameters=chain)
    cells = [
        make("first", parameters={"value": 1}),
        make("second", parameters={"value": 1}, reads={"one": FIRST}),
        make("third", parameters={"value": 1}, reads={"many": [SECOND, FIRST]}, device="on"),
        make("other", notebook="alone", data={"images": DATA}),
    ]

    def plan(*, prepared_by="a", device="cpu", rounding=None, **changes):
        planned = {cell.key: replace(cell, **changes.get(cell.name, {})) for cell in cells}
        folders = {"results": Path("results"), "data": Path("results/data")}
        here = {"device": device, "prepared_by": {"prepare": prepared_by}, "rounding": rounding}
        return {"cells": describe_cells(planned, {"made": made}, **folders, **here)}

    for key in KEYS:
        for name in ("metrics.json", "curves.csv", "notebook.ipynb", "plot.svg"):
            write(Path("results", key, name), "{}")
    for key, planned in plan()["cells"].items():
        template = ALONE if key == OTHER else CHAIN
        inputs = map(Path, (template, *planned["imports"], *planned["inputs"]))
        facts = {"recipe": planned["recipe"], "versions": planned["packages"]}
        finish_cell(Path("results", key), planned["given"], inputs=inputs, **facts)
    return SimpleNamespace(
        made=made, plan=plan, outdated=lambda **changes: find_outdated(plan(**changes), Path("results"))
    )


def test_what_a_plan_says_of_a_cell(study, tmp_path):
    plan = study.plan(device="cuda")
    own = study.made.published.parent.relative_to(tmp_path)
    assert list(plan["cells"]) == KEYS
    first, second, third, other = plan["cells"].values()
    metrics = [f"results/{key}/metrics.json" for key in (SECOND, FIRST)]
    assert first["given"] == {"value": 1} and second["given"] == {"value": 1, "one": metrics[1]}
    assert third["given"] == {"value": 1, "many": metrics, "on": "cuda"}
    assert other["given"] == {"images": f"results/data/{DATA}"}
    assert (third["inputs"], other["inputs"]) == (metrics, [f"results/data/{DATA}/dataset.json"])
    own = [f"{own.parent}/__init__.py", *(f"{own}/{name}.py" for name in ("__init__", "numbers", "science"))]
    assert first["imports"] == [path for path in own if Path(path).exists()]
    assert other["imports"] == ["src/gradlab/lab/shared.py"]
    assert (first["packages"], other["packages"]) == ({}, {"numpy": version("numpy")})
    assert len({planned["recipe"] for planned in plan["cells"].values()}) == 4


def test_what_was_run_as_planned_is_not_run_again(study):
    assert study.outdated() == {}


def test_the_runner_leaves_a_cell_as_planned(study, tmp_path):
    """Whatever the manifests of these tests hold: a real one holds it too, and its notebook imports from the study."""
    shutil.rmtree(tmp_path / f"results/{FIRST}")
    save_json(tmp_path / "results/plan.json", study.plan() | {"paths": [str(tmp_path)]})
    assert runner.main(["results/plan.json", FIRST]) == 0
    assert FIRST not in study.outdated()


CHANGES = {
    "a parameter": {"second": {"parameters": {"value": 2}}},
    "a parameter that has its default": {"second": {"parameters": {}}},
    "another source": {"second": {"reads": {"one": OTHER}}},
    "a file that it writes": {"second": {"files": ["answers.json"]}},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_of_a_cell_runs_it_and_all_that_depend_on_it(study, change):
    assert set(study.outdated(**change)) == {SECOND, THIRD}
    assert study.outdated(**change)[THIRD] == UPSTREAM


@pytest.mark.parametrize("change", [{"metrics": ["a"]}, {"replicates": [1]}, {"resolution": 0.1}])
def test_how_a_cell_is_judged_runs_nothing(study, change):
    assert study.outdated(second=change) == {}


def test_a_change_is_said(study):
    assert study.outdated(second={"parameters": {"value": 2}})[SECOND] == "ran with value = 1, planned is 2"
    assert study.outdated(device="cuda") == {THIRD: "ran with on = cpu, planned is cuda"}


def test_another_context_of_rounding_is_a_change_of_every_cell_and_another_machine_of_none(study):
    changes = study.outdated(rounding="avx2")
    assert changes == dict.fromkeys(KEYS, "ran with rounding = None, planned is avx2")
    recipes = [
        {cell["recipe"] for cell in study.plan(rounding=context)["cells"].values()} for context in (None, "avx2")
    ]
    assert not recipes[0] & recipes[1]
    elsewhere = {"cpu": "other", "cores": 64, "system": "there", "threads": 1}
    seal(
        Path("results", FIRST),
        machine=elsewhere,
        rounding={"asked": None, "measured": {"NumPy": {"features": "X86_V2"}}},
    )
    assert study.outdated() == {}


def test_a_change_of_a_cell_that_has_no_results_left_runs_what_depends_on_it(study, tmp_path):
    """Its run failed, say, and took its results with it: those that rest on the earlier ones are not to be believed."""
    (tmp_path / f"results/{FIRST}/manifest.json").unlink()
    assert set(study.outdated(first={"parameters": {"value": 2}})) == {FIRST, SECOND, THIRD}


def test_a_notebook_runs_its_cells(study, tmp_path):
    with (tmp_path / CHAIN).open("a") as notebook:
        notebook.write("\n")
    assert study.outdated() == dict.fromkeys([FIRST, SECOND, THIRD], f"{CHAIN} has changed since")


@pytest.mark.parametrize("module", ["science", "numbers"])
def test_a_module_of_the_study_runs_what_imports_it_itself_or_through_another(study, module):
    with (study.made.published.parent / f"{module}.py").open("a") as file:
        file.write("TWO = 2\n")
    assert set(study.outdated()) == {FIRST, SECOND, THIRD}


def test_a_module_of_the_project_runs_what_imports_it_and_another_nothing(study, tmp_path):
    write(study.made.published.parent / "unused.py", "ONE = 1\n")
    assert study.outdated() == {}
    write(tmp_path / "src/gradlab/lab/shared.py", "import numpy, sys\n")
    assert study.outdated() == {OTHER: "src/gradlab/lab/shared.py has changed since"}


def test_another_preparation_of_the_data_runs_what_reads_them(study):
    assert study.outdated(prepared_by="b") == {OTHER: UPSTREAM}


def test_another_version_of_a_package_runs_what_imports_it(study, tmp_path, monkeypatch):
    write(tmp_path / "front/numpy-9999.dist-info/METADATA", "Metadata-Version: 2.1\nName: numpy\nVersion: 9999\n")
    monkeypatch.syspath_prepend(tmp_path / "front")
    assert study.outdated() == {OTHER: f"ran with numpy {np.__version__}, installed is 9999"}


@pytest.mark.parametrize(
    ("file", "reason"),
    [("manifest.json", ""), ("plot.svg", "plot.svg is missing"), ("notebook.ipynb", "notebook.ipynb is missing")],
)
def test_a_file_that_was_deleted_runs_its_cell_and_no_other(study, tmp_path, file, reason):
    (tmp_path / f"results/{FIRST}/{file}").unlink()
    assert study.outdated() == {FIRST: reason}


@pytest.mark.parametrize("text", ["{} ", ""])
def test_a_changed_byte_runs_its_cell(study, tmp_path, text):
    (tmp_path / f"results/{OTHER}/curves.csv").write_text(text)
    assert study.outdated() == {OTHER: "curves.csv is not the file that was written"}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"inputs": {}, "outputs": {}}', b"\xff"])
def test_a_damaged_manifest_runs_its_cell(study, tmp_path, text):
    manifest = tmp_path / f"results/{OTHER}/manifest.json"
    manifest.write_bytes(text if isinstance(text, bytes) else text.encode())
    ((key, reason),) = study.outdated().items()
    assert key == OTHER and reason.startswith("its manifest cannot be read (")


def test_results_of_another_run_of_the_cell_that_is_read_are_noticed(study, tmp_path):
    """As on another machine, whose last digits differ: the reader has to run again, once the cell itself is right."""
    (tmp_path / f"results/{FIRST}/metrics.json").write_text('{"other": 1}')
    assert study.outdated()[SECOND] == f"results/{FIRST}/metrics.json has changed since"


def test_a_recipe_is_the_same_wherever_the_project_lies(study, tmp_path, monkeypatch):
    here = study.plan()["cells"][OTHER]["recipe"]
    for part in ("src", "notebooks"):
        shutil.copytree(tmp_path / part, tmp_path / "moved" / part)
    monkeypatch.chdir(tmp_path / "moved")
    monkeypatch.setattr("gradlab.engine.plan.PACKAGE", tmp_path / "moved/src/gradlab")
    there = describe_cells(
        {OTHER: make("other", notebook="alone", data={"images": DATA})},
        {},
        results=Path("results"),
        data=Path("results/data"),
        device="cpu",
        prepared_by={"prepare": "a"},
    )
    assert there[OTHER]["recipe"] == here


def test_notebooks_that_do_not_take_what_they_would_be_given_are_refused(study):
    with pytest.raises(ParameterError, match=f"{CHAIN}.* declares no parameter 'values'"):
        study.plan(first={"parameters": {"values": 1}})


def test_the_studies_of_a_plan_are_found_again(study, tmp_path):
    package = f"{study.made.published.parents[1]}"
    late = make_study(tmp_path, name="late")
    both = {"packages": [package, f"{late.published.parents[1]}"], "studies": ["made", "late"]}
    assert list(find_studies(both).items()) == [("made", study.made), ("late", late)]
    roots = sorted(made.published.parents[1] for made in (study.made, late))
    assert find_roots([study.made, late]) == (tmp_path / "src/gradlab", *roots)


# The report ----------------------------------------------------------------------------------------


@pytest.fixture
def report(study, tmp_path):
    """A function that says whether the report, which was rendered, still is the one that would be."""
    write(tmp_path / "src/gradlab/report/build.py", "from gradlab.lab import shared\n")
    write(tmp_path / "src/gradlab/report/templates/page.html", "page")
    write(tmp_path / "benchmarks.json", "{}")
    write(tmp_path / "results/pages/a.html", "a")
    arguments = [tmp_path / "results", [study.made], [tmp_path / "benchmarks.json", tmp_path / "not_there.json"]]
    assert not is_rendered(study.plan(), *arguments)
    digest = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"  # SHA-256 of "a"
    manifest = describe_report(study.plan(), *arguments) | {"outputs": {"pages/a.html": digest}}
    save_json(tmp_path / "results/manifest.json", manifest)
    return lambda **changes: is_rendered(study.plan(**changes), *arguments)


def test_a_report_is_that_of_its_plan(report):
    assert report()
    assert not report(second={"metrics": ["a"]})


@pytest.mark.parametrize(
    "file",
    [
        "results/made/published/first/manifest.json",
        "results/logs/made/published/first.ipynb",
        "results/pages/a.html",
        "results/manifest.json",
        "src/gradlab/report/build.py",
        "src/gradlab/report/templates/page.html",
        "src/gradlab/lab/shared.py",
        "benchmarks.json",
        "not_there.json",
        *(
            f"{{made}}/{name}"
            for name in ("study.py", "claims.py", "section.py", "published/figures.yaml", "published/x")
        ),
    ],
)
def test_a_report_is_rendered_again_where_anything_that_went_in_differs(report, study, tmp_path, file):
    path = tmp_path / file.format(made=study.made.published.parent)
    before = path.read_text() if path.exists() else None
    write(path, f"{before or ''}changed")
    assert not report()
    path.unlink()
    assert report() is (before is None)


def test_what_claims_import_goes_into_the_report(report, study):
    write(study.made.published.parent / "unused.py", "ONE = 1\n")
    assert report()
    write(study.made.published.parent / "numbers.py", "ONE = 2\n")
    assert not report()
