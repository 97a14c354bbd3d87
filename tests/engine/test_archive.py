"""The archive of a small study: cells that ran and one that failed, its report, and the project around them."""

import errno
import hashlib
import json
import os
import shutil
import sys
import warnings
import zipfile
from contextlib import chdir
from datetime import datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
import yaml
from conftest import make_notebook
from made_cells import RECIPE, make_cell, write_plan
from made_studies import make_study, write
from requests_cache import CachedSession
from requests_cache.models import CachedRequest, CachedResponse
from rocrate.rocrate import ROCrate
from rocrate_validator import services
from rocrate_validator.models import Severity, ValidationSettings

from gradlab.engine import archive as archive_module
from gradlab.engine import verify
from gradlab.engine.archive import METADATA, archive_study, main
from gradlab.engine.cell import CellError, run_cell
from gradlab.engine.crate import Layout, Member, Run, describe_study
from gradlab.engine.robustness import ROBUSTNESS
from gradlab.engine.verify import COMPARISON
from gradlab.report import build

PLAN = Path("results/plan.json")
DONE, FAILED, MISSING = (f"made/published/{cell}" for cell in ("one", "two", "three"))
CONTEXTS = {
    # Of the published context of RO-Crate 1.1 the terms that are used here; a validator refuses all others.
    "https://w3id.org/ro/crate/1.1/context": {
        "ComputationalWorkflow": "https://bioschemas.org/ComputationalWorkflow",
        "File": "http://schema.org/MediaObject",
        "conformsTo": "http://purl.org/dc/terms/conformsTo",
        **{
            term: f"http://schema.org/{term}"
            for term in (
                *("ComputerLanguage", "CreateAction", "CreativeWork", "Dataset", "Organization", "Person"),
                *("SoftwareSourceCode", "about", "actionStatus", "author", "contentSize", "creator", "datePublished"),
                *("description", "encodingFormat", "endTime", "error", "hasPart", "identifier", "instrument"),
                *("keywords", "license", "mainEntity", "mentions", "name", "object", "programmingLanguage", "result"),
                *("startTime", "url", "version"),
                *("ControlAction", "HowTo", "HowToStep", "OrganizeAction", "SoftwareApplication", "position", "step"),
                "workExample",
            )
        },
    },
    # Of the published context of the Workflow Run Crate profiles.
    "https://w3id.org/ro/terms/workflow-run/context": {"sha256": "https://w3id.org/ro/terms/workflow-run#sha256"},
}
# Recommendations that ask for what a project without an address on the web, run by whomever, does not know.
UNKNOWN = {
    "Action agent",
    "Application url",
    "Organization: RECOMMENDED url property",
    "Root Data Entity: `publisher` property",
    "SoftwareApplication id",
    "version or softwareVersion",
}
WRITE_RESULTS = """
import json, pathlib
folder = pathlib.Path(output)
(folder / "metrics.json").write_text(json.dumps({"loss": 0.5}))
(folder / "curves.csv").write_text("x,metric,value\\n")
(folder / "answers.json").write_text(json.dumps([{"question": "Is λ 1?", "answer": "Yes", "evidence": "counted"}]))
for name in ("function", "detail"):
    (folder / f"{name}.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
"""
FIGURES = "figures: [{id: loss, value: '0.5', source: M 1, claim: loss, rule: exact}]"


@pytest.fixture(scope="module")
def study(project, tmp_path_factory):
    """A project in which one cell of three has run, one has failed, and the report is rendered; and what is not packed."""
    root = tmp_path_factory.mktemp("project")
    made = make_study(tmp_path_factory.mktemp("packages"), figures=FIGURES)
    for name in archive_module.PROJECT:
        source = project / name
        if source.is_dir():
            shutil.copytree(source, root / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            shutil.copy2(source, root / name)
    with chdir(root):
        for path, content in {
            "results/data/fashion_mnist/dataset.json": json.dumps({"name": "FashionMNIST", "content": {}}),
            "results/data/fashion_mnist/train_images.npy": "arrays stay behind",
            "results/quick/report.html": "another study",
            "results/figures/one.svg": "<svg xmlns='http://www.w3.org/2000/svg'/>",
            "results/made/published/once/metrics.json": "no longer planned",
            "results/logs/made/published/one.ipynb": "",
            "src/gradlab/__pycache__/files.cpython.pyc": "a cache",
            "src/gradlab.egg-info/PKG-INFO": "a build",
            "notebooks/.ipynb_checkpoints/one.ipynb": "a copy",
            "notebooks/made/notes on λ.md": "a name that an address has to quote",
            "tests/test_x.py": "",
        }.items():
            write(Path(path), content)
        for name, code in (("sound", WRITE_RESULTS), ("wrong", "raise ValueError('h is 0')")):
            make_notebook(Path(f"notebooks/made/{name}.ipynb"), code, parameters="case: str = ''\noutput: str = ''")
        planned = {
            key: make_cell(key, {"case": key.rpartition("/")[2]}, notebook=notebook, metrics=["loss"])
            for key, notebook in ((DONE, "sound"), (FAILED, "wrong"), (MISSING, "wrong"))
        }
        write_plan(PLAN.parent, planned, packages=[made.package.partition(".")[0]])
        for key in (DONE, FAILED):
            inputs = [Path("results/data/fashion_mnist/dataset.json"), Path("src/gradlab/files.py")]
            places = {"output": Path("results", key), "log": Path("results/logs", f"{key}.ipynb")}
            try:
                cell = planned[key]
                run_cell(key, Path(cell.template), cell.parameters, inputs=inputs, recipe=RECIPE, **places)
            except CellError:
                assert key == FAILED
        render_report()
        Path("results/pages/.snakemake_timestamp").touch()
    return root


def render_report():
    assert build.main([str(PLAN), "--data", "results/data"]) == 0


@pytest.fixture(scope="module")
def packed(study, tmp_path_factory):
    """The archive of the study."""
    target = tmp_path_factory.mktemp("packed") / "study.zip"
    with chdir(study):
        archive_study(PLAN, target)
    return target


@pytest.fixture(scope="module")
def unpacked(packed, tmp_path_factory):
    """The folder into which the archive was unpacked."""
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(packed) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture(scope="module")
def entities(unpacked):
    """The entities of the crate under their ids."""
    graph = json.loads((unpacked / METADATA).read_text(encoding="utf-8"))["@graph"]
    entities = {entity["@id"]: entity for entity in graph}
    assert len(entities) == len(graph)
    return entities


@pytest.fixture
def copied(study, tmp_path, monkeypatch):
    """A copy of the study, to change and pack; it is the working directory."""
    root = tmp_path / "elsewhere"
    shutil.copytree(study, root)
    monkeypatch.chdir(root)
    return root


def files_below(folder):
    return {path.relative_to(folder).as_posix(): path for path in Path(folder).rglob("*") if path.is_file()}


def refer(value):
    """The ids to which a property refers."""
    return [item["@id"] for item in (value if isinstance(value, list) else [value])]


def test_holds_the_report_the_planned_cells_and_the_project_and_nothing_else(study, unpacked):
    cell = {f"results/{DONE}/{name}" for name in files_below(study / "results" / DONE)}
    assert len(cell) == 7
    pages = {f"pages/{name}" for name in files_below(study / "results/pages") if name != ".snakemake_timestamp"}
    assert pages >= {"pages/style.css", *(f"pages/made/published/{cell}.html" for cell in ("one", "two"))}
    figures = {f"figures/{name}" for name in files_below(study / "results/figures")}
    results = {
        "plan.json",
        "report.html",
        "ledger.html",
        "ledger.json",
        "ledger.csv",
        "errata.csv",
        "data/fashion_mnist/dataset.json",
    }
    results |= {f"logs/{FAILED}.ipynb", *pages, *figures}
    expected = {METADATA, *cell, *(f"results/{name}" for name in results)}
    generated = ("__pycache__", "egg-info", ".ipynb_checkpoints", "results/", "tests/")
    expected |= {name for name in files_below(study) if not any(part in name for part in generated)}
    assert set(files_below(unpacked)) == expected
    assert "notebooks/made/notes on λ.md" in expected


def test_what_is_unpacked_is_what_was_packed(study, unpacked):
    for name, path in files_below(unpacked).items():
        assert name == METADATA or path.read_bytes() == (study / name).read_bytes(), name


class Links(HTMLParser):
    """Collects the addresses to which a page refers."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        self.found += [value for name, value in attributes if name in ("href", "src")]


def test_all_links_of_the_report_and_its_pages_resolve(unpacked):
    followed = set()
    for page in (path for name, path in files_below(unpacked / "results").items() if name.endswith(".html")):
        links = Links()
        links.feed(page.read_text(encoding="utf-8"))
        for address in map(urlsplit, links.found):
            if not address.scheme and address.path:
                target = (page.parent / unquote(address.path)).resolve()
                assert target.is_file(), f"{page.name} refers to {address.path}"
                followed.add(target.relative_to(unpacked).as_posix())
    pages = ("pages/made/published/two.html", "report.html", "ledger.csv", "plan.json", "pages/style.css")
    assert followed >= {f"results/{name}" for name in (*pages, f"{DONE}/metrics.json", f"logs/{FAILED}.ipynb")}


def test_the_same_results_give_the_same_bytes(copied, packed, tmp_path):
    for number, path in enumerate(files_below(copied).values()):
        os.utime(path, (1e9 + number, 1e9 + number))
        path.chmod(0o600)
    archive_study(PLAN, tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == packed.read_bytes()


def test_every_file_is_described_with_its_type_size_and_digest(unpacked, entities):
    files = {unquote(name): entity for name, entity in entities.items() if "File" in entity["@type"]}
    assert files.keys() | {METADATA} == files_below(unpacked).keys()
    assert {unquote(name) for name in refer(entities["./"]["hasPart"])} == files.keys()
    for name, entity in files.items():
        content = (unpacked / name).read_bytes()
        assert entity["contentSize"] == str(len(content)), name
        assert entity["sha256"] == hashlib.sha256(content).hexdigest(), name
    types = {Path(name).suffix: entity["encodingFormat"] for name, entity in files.items()}
    assert "application/octet-stream" not in types.values()
    assert types[".html"] == "text/html" and types[".svg"] == "image/svg+xml" and types[""] == "text/plain"


def test_every_reference_leads_to_an_entity_or_out_of_the_crate(entities):
    def references(value):
        if isinstance(value, list):
            return [reference for item in value for reference in references(item)]
        return [value["@id"]] if isinstance(value, dict) else []

    for entity in entities.values():
        for value in entity.values():
            for reference in references(value):
                assert reference in entities or reference.startswith("https://"), (entity["@id"], reference)
    linked = {reference for entity in entities.values() for value in entity.values() for reference in references(value)}
    assert entities.keys() - linked == {METADATA}


def test_the_crate_says_what_it_is_whose_and_of_when(study, entities):
    citation = yaml.safe_load((study / "CITATION.cff").read_text(encoding="utf-8"))
    root = entities["./"]
    assert root["name"] == f"{citation['title']}: results"
    assert "(1 done, 1 failed, 1 missing)" in root["description"]
    assert root["license"] == {"@id": "https://spdx.org/licenses/MIT"}
    assert root["author"] == root["creator"]
    author = entities[root["author"]["@id"]]
    assert (author["@type"], author["name"]) == ("Organization", citation["authors"][0]["name"])
    assert root["datePublished"] == max(entities[f"#{name}"]["endTime"] for name in (DONE, FAILED))
    workflow = entities[root["mainEntity"]["@id"]]
    assert workflow["@id"] == "Snakefile"
    assert workflow["@type"] == ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"]
    assert workflow["version"] == citation["version"]
    assert refer(workflow["hasPart"]) == ["notebooks/made/sound.ipynb", "notebooks/made/wrong.ipynb"]


def test_a_cell_that_ran_is_an_action(study, entities):
    folder = f"results/{DONE}"
    manifest = json.loads((study / folder / "manifest.json").read_text(encoding="utf-8"))
    action = entities[f"#{DONE}"]
    assert action["@type"] == "CreateAction"
    assert action["actionStatus"] == "http://schema.org/CompletedActionStatus" and "error" not in action
    assert action["instrument"] == {"@id": "notebooks/made/sound.ipynb"}
    assert refer(action["object"]) == ["results/data/fashion_mnist/dataset.json", "src/gradlab/files.py"]
    assert set(refer(action["result"])) == {f"{folder}/{name}" for name in (*manifest["outputs"], "manifest.json")}
    assert action["startTime"] == datetime.fromisoformat(manifest["started"]).isoformat(timespec="seconds")
    took = datetime.fromisoformat(action["endTime"]) - datetime.fromisoformat(action["startTime"])
    assert took == timedelta(seconds=round(manifest["wall_seconds"])) > timedelta(0)
    assert '"case": "one"' in action["description"]


def test_every_run_of_a_cell_is_one_execution_of_the_step_that_its_template_is(entities):
    (organised,) = [entity for entity in entities.values() if entity["@type"] == "OrganizeAction"]
    assert organised["result"] == {"@id": "#study"}
    assert entities[organised["instrument"]["@id"]]["name"] == "Snakemake"
    executed = {}
    for control in (entities[name] for name in refer(organised["object"])):
        run, step = (entities[control[what]["@id"]] for what in ("object", "instrument"))
        assert step["workExample"] == run["instrument"]
        executed[run["name"]] = step["@id"]
    assert executed.keys() == {DONE, FAILED}
    assert set(executed.values()) == set(refer(entities["Snakefile"]["step"]))


def test_a_cell_that_failed_is_an_action_that_says_why_and_a_missing_one_is_none(entities):
    action = entities[f"#{FAILED}"]
    assert action["actionStatus"] == "http://schema.org/FailedActionStatus"
    assert action["error"] == "ValueError: h is 0"
    assert action["instrument"] == {"@id": "notebooks/made/wrong.ipynb"}
    assert action["result"] == {"@id": f"results/logs/{FAILED}.ipynb"}
    assert "object" not in action
    assert action["startTime"] <= action["endTime"]
    actions = {name for name, entity in entities.items() if entity["@type"] == "CreateAction"}
    assert actions == {"#study", f"#{DONE}", f"#{FAILED}"}
    assert set(refer(entities["./"]["mentions"])) == {*actions, "#organisation"}


def test_the_study_is_an_action_of_the_workflow(entities):
    action = entities["#study"]
    assert action["instrument"] == {"@id": "Snakefile"}
    assert refer(action["object"]) == ["results/plan.json", "results/data/fashion_mnist/dataset.json"]
    assert refer(action["result"])[0] == "results/report.html"
    assert action["actionStatus"] == "http://schema.org/FailedActionStatus"
    assert action["error"] == "not all cells are done: 1 failed, 1 missing"
    assert action["startTime"] == entities[f"#{DONE}"]["startTime"]


def test_the_library_reads_the_crate_again(packed, entities):
    crate = ROCrate(packed)
    assert {entity.id for entity in crate.get_entities()} == entities.keys()
    assert crate.mainEntity.id == "Snakefile"


@pytest.fixture(scope="module")
def find_issues(tmp_path_factory):
    """A function that validates a crate without a network and returns name and severity of what is wrong with it."""
    cache = tmp_path_factory.mktemp("contexts") / "cache"
    with CachedSession(str(cache), backend="sqlite", expire_after=-1) as session:
        for address, terms in CONTEXTS.items():
            answer = CachedResponse(
                request=CachedRequest(method="GET", url=address),
                url=address,
                status_code=200,
                headers={"Content-Type": "application/ld+json"},
                content=json.dumps({"@context": terms}).encode(),
            )
            session.cache.save_response(answer)

    def find(crate, profile="provenance-run-crate-0.5"):
        settings = ValidationSettings(
            rocrate_uri=str(crate),
            profile_identifier=profile,  # it includes those of its other profiles and of RO-Crate 1.1
            requirement_severity=Severity.RECOMMENDED,
            offline=True,
            cache_path=cache,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of the libraries on which the validator builds
            return {(issue.check.name, issue.severity) for issue in services.validate(settings).get_issues()}

    return find


def test_the_crate_is_valid(packed, find_issues):
    issues = find_issues(packed)
    assert {severity for _, severity in issues} <= {Severity.RECOMMENDED}
    assert {name for name, _ in issues} <= UNKNOWN


def leave_out_license(entities):
    del entities["./"]["license"]


def leave_out_instrument(entities):
    del entities[f"#{DONE}"]["instrument"]


def use_unknown_term(entities):
    entities["README.md"]["sha3"] = "0"


def describe_missing_file(entities):
    entities["README.md"]["@id"] = "README.txt"


@pytest.mark.parametrize(
    "spoil, check",
    [
        (leave_out_license, "Root Data Entity: `license` property"),
        (leave_out_instrument, "Action instrument"),
        (use_unknown_term, "Validation of the compaction format of the file descriptor"),
        (describe_missing_file, "Data Entity: REQUIRED resource availability"),
    ],
)
def test_the_validator_finds_what_is_wrong(unpacked, tmp_path, find_issues, spoil, check):
    shutil.copytree(unpacked, tmp_path / "crate")
    crate = json.loads((unpacked / METADATA).read_text(encoding="utf-8"))
    spoil({entity["@id"]: entity for entity in crate["@graph"]})
    (tmp_path / "crate" / METADATA).write_text(json.dumps(crate), encoding="utf-8")
    assert (check, Severity.REQUIRED) in find_issues(tmp_path / "crate")


def read_crate(target):
    with zipfile.ZipFile(target) as archive:
        return {entity["@id"]: entity for entity in json.loads(archive.read(METADATA))["@graph"]}


def test_files_that_have_changed_since_are_not_claimed_to_be_what_a_run_read_or_wrote(copied, tmp_path):
    with Path("src/gradlab/files.py").open("a") as module:
        module.write("# edited\n")
    Path("results", DONE, "metrics.json").write_text("{}")
    archive = archive_study(PLAN, tmp_path / "study.zip")
    action = read_crate(archive.path)[f"#{DONE}"]
    assert action["object"] == {"@id": "results/data/fashion_mnist/dataset.json"}
    assert f"results/{DONE}/metrics.json" not in refer(action["result"])
    assert f"results/{DONE}/curves.csv" in refer(action["result"])
    assert action["description"].endswith(f"Changed since then: results/{DONE}/metrics.json, src/gradlab/files.py.")


def test_people_and_the_address_of_the_project_come_from_the_citation(copied, tmp_path):
    citation = yaml.safe_load(Path("CITATION.cff").read_text(encoding="utf-8"))
    orcid, address = "https://orcid.org/0000-0002-1825-0097", "https://example.org/gradlab"
    person = {"given-names": "Josiah", "family-names": "Carberry", "orcid": orcid}
    changed = {**citation, "authors": [person, {"name": "The others"}], "repository-code": address}
    Path("CITATION.cff").write_text(yaml.safe_dump(changed), encoding="utf-8")
    archive = archive_study(PLAN, tmp_path / "study.zip")
    entities = read_crate(archive.path)
    assert refer(entities["./"]["author"]) == [orcid, "#author-2"]
    assert (entities[orcid]["@type"], entities[orcid]["name"]) == ("Person", "Josiah Carberry")
    assert entities["Snakefile"]["url"] == entities["notebooks/made/wrong.ipynb"]["url"] == address


def test_a_study_of_which_nothing_ran_yet_is_packed_and_valid(copied, tmp_path, find_issues):
    shutil.rmtree("results/made")
    shutil.rmtree("results/logs")
    shutil.rmtree("results/pages")
    shutil.rmtree("results/figures")
    render_report()
    archive = archive_study(PLAN, tmp_path / "study.zip")
    entities = read_crate(archive.path)
    date = yaml.safe_load(Path("CITATION.cff").read_text(encoding="utf-8"))["date-released"]
    assert entities["./"]["datePublished"] == str(date)
    assert entities["./"]["mentions"] == {"@id": "#study"} and "startTime" not in entities["#study"]
    severities = {severity for _, severity in find_issues(archive.path, "workflow-run-crate-0.5")}
    assert severities <= {Severity.RECOMMENDED}


def test_a_run_that_was_broken_off_is_told_as_such(copied, tmp_path):
    log = Path("results/logs", f"{FAILED}.ipynb")
    notebook = nbformat.read(log, as_version=4)
    notebook.metadata.papermill["end_time"] = None
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    nbformat.write(notebook, log)
    action = read_crate(archive_study(PLAN, tmp_path / "study.zip").path)[f"#{FAILED}"]
    assert action["error"] == "the run was broken off"
    assert "startTime" in action and "endTime" not in action


@pytest.mark.parametrize(
    "results, path, place",
    [
        ("/p/results/quick", "results/quick/plan.json", "results/quick/plan.json"),
        ("/p/results/quick", "/p/results/quick/a/b/c/metrics.json", "results/quick/a/b/c/metrics.json"),
        ("/p/results/quick", "results/quick/../data/cifar10/dataset.json", "results/data/cifar10/dataset.json"),
        ("/p/results", "/data/cifar10/dataset.json", "data/cifar10/dataset.json"),
        ("/large/study", "/large/study/a/b/c/metrics.json", "results/a/b/c/metrics.json"),
        ("/large/study", "../large/study/plan.json", "results/plan.json"),
        ("/large/study", "src/gradlab/files.py", "src/gradlab/files.py"),
    ],
)
def test_places_are_relative_to_the_project_wherever_results_and_data_lie(results, path, place):
    assert Layout(Path("/p"), Path(results)).place(path) == place


@pytest.mark.parametrize("gone", ["plan.json", "report.html", "ledger.csv", "pages"])
def test_without_a_report_it_says_what_to_run(copied, tmp_path, capsys, gone):
    path = PLAN.parent / gone
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert main([str(PLAN), "--to", str(tmp_path / "study.zip")]) == 1
    message = capsys.readouterr().err
    assert message.startswith(f"gradlab: there is no {path},") and "run `make report` first" in message
    assert message.count("\n") == 1
    assert not (tmp_path / "study.zip").exists()


def test_a_plan_that_is_not_json_is_one_line_that_says_what_writes_it(copied, tmp_path, capsys):
    PLAN.write_text('{"cells": {')
    assert main([str(PLAN), "--to", str(tmp_path / "study.zip")]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"gradlab: the plan {PLAN} is not JSON") and "run `make report`" in said
    assert said.count("\n") == 1
    assert not (tmp_path / "study.zip").exists()


def test_cells_of_which_nothing_can_be_told_are_packed_as_they_are_without_an_action(copied, tmp_path, find_issues):
    Path("results", DONE, "manifest.json").write_text('{"cell": ')
    Path("results/logs", f"{FAILED}.ipynb").write_text('{"cells": [')
    render_report()
    archive = archive_study(PLAN, tmp_path / "study.zip")
    assert archive.states == {"failed": 1, "missing": 1, "stale": 1}
    entities = read_crate(archive.path)
    assert entities["./"]["mentions"] == {"@id": "#study"}
    assert f"results/{DONE}/manifest.json" in entities and f"results/logs/{FAILED}.ipynb" in entities
    severities = {severity for _, severity in find_issues(archive.path, "workflow-run-crate-0.5")}
    assert severities <= {Severity.RECOMMENDED}


def test_the_comparison_with_a_second_run_is_packed_and_described(copied, tmp_path, find_issues):
    shutil.copytree("results", tmp_path / "again")
    again = tmp_path / "again" / DONE
    notebook = again / "notebook.ipynb"
    notebook.write_text(notebook.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    manifest = json.loads((again / "manifest.json").read_text(encoding="utf-8"))
    manifest["outputs"]["notebook.ipynb"] = hashlib.sha256(notebook.read_bytes()).hexdigest()
    (again / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    assert verify.main([str(PLAN), str(tmp_path / "again/plan.json")]) == 0
    Path("results", ROBUSTNESS).write_text("{}")
    render_report()
    archive = archive_study(PLAN, tmp_path / "study.zip")
    with zipfile.ZipFile(archive.path) as packed:
        content = packed.read(f"results/{COMPARISON}")
    assert read_crate(archive.path)[f"results/{ROBUSTNESS}"]["description"].endswith("under another rounding context.")
    assert content == Path("results", COMPARISON).read_bytes()
    assert json.loads(content)["cells"][DONE]["verdict"] == "same"
    entity = read_crate(archive.path)[f"results/{COMPARISON}"]
    assert entity["sha256"] == hashlib.sha256(content).hexdigest()
    assert entity["description"].startswith("Which cells were run a second time")
    assert {severity for _, severity in find_issues(archive.path)} <= {Severity.RECOMMENDED}


@pytest.mark.parametrize(
    "page, gone",
    [("pages/made.html", "pages/made/published/two.html"), ("pages/made/published/one.html", "pages/style.css")],
)
def test_pages_whose_links_lead_nowhere_are_not_packed(copied, tmp_path, capsys, page, gone):
    for other in Path("results").rglob("*.html"):
        if other != Path("results", page):
            other.write_text("<p>No link</p>")
    Path("results", gone).unlink(missing_ok=True)
    assert main([str(PLAN), "--to", str(tmp_path / "study.zip")]) == 1
    message = capsys.readouterr().err
    assert message.startswith(f"gradlab: results/{page} refers to ")
    assert "which the archive would not hold" in message and "run `make report` first" in message
    assert not (tmp_path / "study.zip").exists()


def test_outside_of_the_project_it_says_where_to_run(copied, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main([str(copied / PLAN), "--to", "study.zip"]) == 1
    assert "no CITATION.cff and no Snakefile in" in capsys.readouterr().err


def test_says_what_it_packed(copied, tmp_path, capsys):
    target = tmp_path / "new folder/study.zip"
    assert main([str(PLAN), "--to", str(target)]) == 0
    with zipfile.ZipFile(target) as archive:
        files = len(archive.namelist())
    size = f"{target.stat().st_size / 1e6:.1f} MB"
    said = f"archive: {target}, {files} files, {size}; cells: 1 done, 1 failed, 1 missing\n"
    assert capsys.readouterr().err == said


def test_an_archive_that_is_not_finished_does_not_replace_the_last_one(copied, tmp_path, monkeypatch, capsys):
    target = tmp_path / "study.zip"
    target.write_text("the last one")

    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(archive_module, "describe_study", fail)
    assert main([str(PLAN), "--to", str(target)]) == 1
    assert capsys.readouterr().err == (
        f"gradlab: {target} cannot be written: [Errno 28] No space left on device; make room on the disk, and run this again\n"
    )
    assert target.read_text() == "the last one"
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["study.zip"]


def test_the_work_grows_no_faster_than_the_study(study):
    def count_calls(cells):
        members, runs = [Member("Snakefile", 1, "0"), Member("notebooks/x.ipynb", 1, "0")], []
        members += [Member(f"results/{name}", 1, "0") for name in ("plan.json", *archive_module.REPORT)]
        for number in range(cells):
            outputs = {f"results/a/b/{number}/{name}": "0" for name in ("metrics.json", "curves.csv", "notebook.ipynb")}
            members += [Member(path, 1, "0") for path in outputs]
            run = {"name": f"a/b/{number}", "template": "notebooks/x.ipynb", "parameters": {}, "error": None}
            runs.append(Run(**run, started=None, ended=None, inputs={"Snakefile": "0"}, outputs=outputs))
        calls = 0

        def count(frame, event, argument):
            nonlocal calls
            calls += event in ("call", "c_call")

        before = sys.getprofile()
        sys.setprofile(count)
        try:
            describe_study(Layout(study, study / "results"), "results/plan.json", {"done": cells}, runs, members)
        finally:
            sys.setprofile(before)
        return calls

    few, many = count_calls(50), count_calls(400)
    assert many < 8.5 * few
