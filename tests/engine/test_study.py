"""The contract: what a cell refuses, that no parameter's name has a meaning, and how studies are found."""

import sys
from pathlib import Path

import pytest
from conftest import make_notebook
from made_studies import make_study, run_cells, write

from gradlab.engine.ledger import build_ledger
from gradlab.engine.plan import describe_cells
from gradlab.engine.schedule import Schedule
from gradlab.engine.study import (
    Cell,
    Resources,
    StudyError,
    cell_as_json,
    cell_from_json,
    discover,
)
from gradlab.engine.verify import compare_cells


def make_one(**fields):
    return Cell(**{"study": "made", "protocol": "published", "name": "one", "notebook": "any"} | fields)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"protocol": "printed"}, "made/printed/one: the protocol is 'printed'; expected one of published, corrected"),
        *(
            ({what: name}, f"the {what} is {name!r}; expected letters, digits and . _ - alone")
            for what in ("study", "name", "notebook")
            for name in ("", ".", "..", ".one", "one.", "a/b", "a b", "é", "one\n", 16)
        ),
        *(
            ({**given}, "the parameter 'output' is the folder of the cell's results, which the engine gives to every ")
            for given in (
                {"parameters": {"output": "here"}},
                {"data": {"output": "digits"}},
                {"reads": {"output": "made/published/two"}},
                {"device": "output"},
            )
        ),
        *(
            ({"parameters": {"x": 1}} | given, "made/published/one: the parameter 'x' is given twice; parameters, data")
            for given in ({"data": {"x": "digits"}}, {"reads": {"x": []}}, {"device": "x"})
        ),
        *(
            ({"parameters": parameters}, "made/published/one: its parameters are not what JSON can hold: {")
            for parameters in ({"x": (1, 2)}, {"x": float("nan")}, {"x": {1: 2}}, {"x": print}, {1: 2})
        ),
    ],
)
def test_a_cell_that_could_not_run_is_refused(fields, message):
    with pytest.raises(StudyError) as refused:
        make_one(**fields)
    assert message in str(refused.value)


def test_what_follows_from_a_cell():
    one = make_one(
        reads={"a": "made/corrected/x", "b": ["made/corrected/y", "made/corrected/x"]},
        figures=["plot.svg"],
        files=["answers.json"],
    )
    assert (one.key, one.template) == ("made/published/one", "notebooks/made/any.ipynb")
    assert one.sources == ("made/corrected/x", "made/corrected/y")
    assert one.outputs == ("notebook.ipynb", "metrics.json", "curves.csv", "plot.svg", "answers.json")


def test_a_cell_is_read_from_a_plan_as_it_was_written():
    plain = make_one()
    assert cell_from_json(plain.key, {"notebook": "any"}) == plain
    full = make_one(
        parameters={"rate": 0.1, "rows": [0, 10], "nothing": None, "inner": {"a": True}},
        data={"images": "digits"},
        reads={"one": "made/corrected/x", "many": ["made/corrected/x"]},
        device="on",
        metrics=["a", "b"],
        figures=["plot.svg"],
        files=["answers.json"],
        replicates=[3, 4],
        resolution=0.05,
        resources=Resources(memory=2, minutes=3, threads=4, local=True),
    )
    content = cell_as_json(full)
    assert cell_from_json(full.key, {**content, "recipe": "passed over"}) == full
    assert not {"study", "protocol", "name"} & content.keys()


FIGURES = """
figures:
  - {id: rate, value: "0.0195", source: M, claim: a rate, rule: interval}
  - {id: count, value: "2", source: M, claim: a count, rule: interval}
"""


@pytest.mark.parametrize("name", ["tolerance", "search", "runs", "data", "seed", "seeds", "root_seed", "device", "x"])
def test_no_name_of_a_parameter_has_a_meaning(name, tmp_path, monkeypatch):
    """Its notebook is given what the plan says, its recipe holds it, and two runs differ in it, as in one called `x`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notebooks/made").mkdir(parents=True)
    make_notebook(tmp_path / "notebooks/made/any.ipynb", parameters=f"{name}: list = []\noutput: str = ''")
    study, other = make_study(tmp_path, figures=FIGURES), make_one(name="other")

    def make(*value):
        return make_one(parameters={name: [*value]}, metrics=["rate", "count"], replicates=[5, 6, 7], resolution=0.05)

    def plan(cell):
        folders = {"results": Path("results"), "data": Path("data")}
        return describe_cells({cell.key: cell}, {}, **folders, device="cuda", prepared_by={"d": "0"})[cell.key]

    one, two = make("results/made/published/other/metrics.json", "d"), make("d")
    assert plan(one)["given"] == one.parameters and plan(one)["inputs"] == []
    assert plan(one)["recipe"] == plan(one)["recipe"] != plan(two)["recipe"]

    metrics = {one.key: {"rate": [0.02, 0.02, 0.02], "count": [1, 2, 3]}}
    first, second = (run_cells(tmp_path / key, [cell, other], metrics) for key, cell in (("a", one), ("b", two)))
    rate, number = build_ledger(first, {"made": study}, root=tmp_path / "a").figures
    assert (rate.verdict, rate.low, rate.high) == ("compatible", 0.02 / 1.05, 0.02)
    assert (number.verdict, number.reproduced) == ("compatible", [1, 2, 3])
    assert compare_cells(first[one.key], second[one.key]).reason.startswith(f"the parameters differ: {name} [")

    planned = {cell.key: {**cell_as_json(cell), "given": {}} for cell in (one, other)}
    assert set(Schedule(planned, tmp_path).longest_waits.values()) == {600.0}  # neither waits for the other


# How studies are found -----------------------------------------------------------------------------


def test_a_study_is_found_in_a_folder_and_by_the_name_of_its_package(tmp_path):
    made = make_study(tmp_path, make_one())
    folder, package = made.published.parents[1], made.package.partition(".")[0]
    assert discover([f"{folder}"]) == discover([f"{folder}/"]) == discover([package]) == {"made": made}
    assert (made.name, made.package) == ("made", f"{package}.made")
    assert made.published == folder / "made/published"
    assert made.cells(made.config()) == [make_one()]
    assert made.claims is None and made.section is None


def test_parts_of_a_study_are_modules_of_its_package(tmp_path):
    made = make_study(
        tmp_path, claims="CONCLUSIONS = {}", section="def show(material):\n    return [material]", config="", plan=""
    )
    assert made.claims.CONCLUSIONS == {} and made.section("all") == ["all"]
    with pytest.raises(StudyError, match=rf"the study made has no {made.package}\.config with `Config`; see gradlab"):
        _ = made.config
    with pytest.raises(StudyError, match=rf"has no {made.package}\.plan with `cells`"):
        _ = made.cells
    (made.published.parent / "plan.py").unlink()
    del sys.modules[f"{made.package}.plan"]
    with pytest.raises(StudyError, match=rf"has no {made.package}\.plan with `cells`"):
        _ = made.cells


def test_the_studies_of_the_project_are_the_folders_that_have_a_module_study(project):
    folders = {path.parent.name for path in (project / "src/gradlab/studies").glob("*/study.py")}
    assert list(discover()) == sorted(folders) != []


def test_other_folders_beside_a_study_are_passed_over(tmp_path):
    made = make_study(tmp_path)
    write(made.published.parents[1] / "shared/__init__.py", "")
    assert discover([made.package.partition(".")[0]]) == {"made": made}


def test_what_is_no_package_of_studies_is_refused(tmp_path):
    for package in ("no_such_package", "json.decoder", f"{tmp_path}/no_such_package"):
        with pytest.raises(StudyError, match=f"there is no package {package} to look for studies in"):
            discover([package])
    (tmp_path / "json").mkdir()
    with pytest.raises(StudyError, match=f"json is also the name of the package .*; rename the folder {tmp_path}/json"):
        discover([f"{tmp_path}/json"])


def test_two_studies_of_one_name_are_refused(tmp_path):
    one, two = make_study(tmp_path / "a"), make_study(tmp_path / "b")
    with pytest.raises(StudyError, match=f"two studies are called made: {one.package} and {two.package}"):
        discover([made.package.partition(".")[0] for made in (one, two)])


def test_a_folder_that_is_no_package_and_a_module_without_a_study_are_refused(tmp_path):
    made = make_study(tmp_path)
    package = made.published.parents[1]
    (package / "lonely").mkdir()
    (package / "lonely/study.py").touch()
    with pytest.raises(StudyError, match=r"lonely is no package: add an empty file __init__\.py"):
        discover([f"{package}"])
    (package / "lonely/__init__.py").touch()
    with pytest.raises(StudyError, match=rf"{package.name}\.lonely\.study holds no STUDY, a gradlab"):
        discover([f"{package}"])
