"""Describes a packed study as an RO-Crate: its files, and the runs that made them, for programs to read.

The crate follows RO-Crate 1.1 and the Provenance Run Crate profile 0.5: a step of the workflow is a notebook's template, and
every run of a cell is one execution of its step. The same results give the same description: every date comes from the
results.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from rocrate.model import ContextEntity, Entity, File
from rocrate.rocrate import ROCrate

from gradlab.engine.plan import REPORT
from gradlab.engine.results import CellResult
from gradlab.engine.robustness import ROBUSTNESS
from gradlab.engine.verify import COMPARISON

WORKFLOW = "Snakefile"
CITATION = "CITATION.cff"
DESCRIPTION = "dataset.json"  # of prepared data, whose arrays stay behind
# By name and not from the machine's table of types, which is another one on every machine.
MEDIA_TYPES = {
    ".cff": "application/yaml",
    ".typed": "text/plain",
    ".css": "text/css",
    ".csv": "text/csv",
    ".html": "text/html",
    ".ipynb": "application/x-ipynb+json",
    ".js": "text/javascript",
    ".json": "application/json",
    ".md": "text/markdown",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".py": "text/x-python",
    ".rst": "text/x-rst",
    ".svg": "image/svg+xml",
    ".toml": "application/toml",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
    **dict.fromkeys(("", ".j2", ".lock", ".smk", ".tex", ".txt"), "text/plain"),
}
PROVENANCE = "https://w3id.org/ro/wfrun/provenance/0.5"
# A workflow without a run is described by all but the last.
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": ("Workflow RO-Crate", "1.0"),
    PROVENANCE: ("Provenance Run Crate", "0.5"),
}
# The terms of the profiles that RO-Crate 1.1 does not have itself: here, sha256.
RUN_TERMS = "https://w3id.org/ro/terms/workflow-run/context"
COMPLETED, FAILED = "http://schema.org/CompletedActionStatus", "http://schema.org/FailedActionStatus"


@dataclass(frozen=True)
class Member:
    """A file in the zip: its path there, its size in bytes and its SHA-256."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Run:
    """One execution of a cell's notebook, as far as its manifest, or the notebook of a failed run, tells of it.

    Attributes
    ----------
    name
        The cell, `<study>/<protocol>/<cell>`.
    template
        The path of the notebook's template, as the run was given it.
    parameters
        What it ran with.
    started, ended
        In UTC; None where the run was killed before it noted them.
    inputs, outputs
        SHA-256 by path; empty for a failed run, whose outputs are removed. None instead of a digest that nobody noted.
    error
        Why it failed; None where it did not.
    """

    name: str
    template: str
    parameters: Mapping[str, Any]
    started: datetime | None
    ended: datetime | None
    inputs: Mapping[str, str | None]
    outputs: Mapping[str, str | None]
    error: str | None


@dataclass(frozen=True)
class Layout:
    """Where a file lies in the zip, given the project's root and the folder of its results, both absolute."""

    root: Path
    results: Path

    def place(self, path: str | Path) -> str:
        """Return the path in the zip of a file that is named absolutely, or relative to the project's root."""
        path = absolute_path(self.root / path)
        if path.is_relative_to(self.results) and not self.results.is_relative_to(self.root):
            return Path("results", path.relative_to(self.results)).as_posix()
        if path.is_relative_to(self.root):
            return path.relative_to(self.root).as_posix()
        return Path("data", path.parent.name, path.name).as_posix()  # data that are prepared outside of the project


def find_run(result: CellResult) -> Run | None:
    """Return the execution behind a cell's results or behind its failure.

    None for a cell that has not run, and for one of whose run nothing can be told, because what it left behind is damaged.
    """
    manifest = result.manifest
    if manifest is not None:
        started = datetime.fromisoformat(manifest["started"])
        template = next(path for path in manifest["inputs"] if path.endswith(".ipynb"))
        outputs = {str(result.directory / name): digest for name, digest in manifest["outputs"].items()}
        return Run(
            name=result.name,
            template=template,
            parameters=manifest["parameters"],
            started=started,
            ended=started + timedelta(seconds=round(manifest["wall_seconds"])),
            inputs=manifest["inputs"],
            outputs={**outputs, str(result.directory / "manifest.json"): None},
            error=None,
        )
    if result.status != "failed":
        return None
    try:
        notebook = json.loads(result.log.read_text(encoding="utf-8"))
        executed = notebook["metadata"]["papermill"]
    except (ValueError, KeyError, TypeError):
        return None
    times = [
        datetime.fromisoformat(executed[time]) if executed.get(time) else None for time in ("start_time", "end_time")
    ]
    printed = [output for cell in notebook["cells"] for output in cell.get("outputs", ())]
    errors = [f"{output['ename']}: {output['evalue']}" for output in printed if output["output_type"] == "error"]
    return Run(
        name=result.name,
        template=executed["input_path"],
        parameters=executed["parameters"],
        started=times[0],
        ended=times[1],
        inputs={},
        outputs={str(result.log): None},
        error=errors[-1] if errors else "the run was broken off",
    )


def describe_study(
    layout: Layout, plan: str, states: Mapping[str, int], runs: Sequence[Run], members: Sequence[Member]
) -> dict[str, Any]:
    """Return an RO-Crate, as JSON-LD, of packed files and of the runs that made them.

    An action names as its object and result only files that are, by their digest, what the run read and wrote.

    Parameters
    ----------
    layout
        Where files lie in the zip.
    plan
        The plan's path in the zip.
    states
        As in `Archive`.
    runs
        Those of the planned cells that ran.
    members
        The packed files.
    """
    citation = yaml.safe_load((layout.root / CITATION).read_text(encoding="utf-8"))
    software = {"version": str(citation["version"])}
    if address := citation.get("repository-code", citation.get("url")):
        software["url"] = address
    crate = ROCrate(version="1.1")
    crate.metadata.extra_contexts.append(RUN_TERMS)
    templates = sorted({layout.place(run.template) for run in runs} & {member.path for member in members})
    files = {member.path: _add_file(crate, member, templates, software) for member in members}
    steps = _add_steps(crate, templates, files)
    if "README.md" in files:
        files["README.md"]["about"] = crate.root_dataset
    digests = {member.path: member.sha256 for member in members}
    study = _add_study(crate, plan, states, runs, files)
    executed = {run.name: _add_run(crate, run, layout, files, digests) for run in runs}
    actions = [study, *executed.values()]
    if steps:
        stepped = {executed[run.name]: steps.get(layout.place(run.template)) for run in runs}
        actions.append(_add_orchestration(crate, study, {action: step for action, step in stepped.items() if step}))
    _describe_root(crate, citation, states, runs, actions, stepwise=bool(steps))
    metadata: dict[str, Any] = crate.metadata.generate()
    return metadata


_DESCRIPTIONS = {
    COMPARISON: "Which cells were run a second time, and which of their files have the same bytes.",
    ROBUSTNESS: "What of the results stands, and what changed, in a run under another rounding context.",
}


def _add_file(crate: ROCrate, member: Member, templates: Sequence[str], software: Mapping[str, str]) -> Entity:
    """Add a file; the workflow, and the templates of notebooks that ran, are software as well."""
    properties: dict[str, Any] = {
        "name": Path(member.path).name,
        "encodingFormat": MEDIA_TYPES.get(Path(member.path).suffix.lower(), "application/octet-stream"),
        "contentSize": str(member.size),
        "sha256": member.sha256,
    }
    if description := _DESCRIPTIONS.get(Path(member.path).name):
        properties["description"] = description
    if member.path == WORKFLOW:
        conforms = {"@id": "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"}
        properties |= {**software, "conformsTo": conforms}
        if templates:
            properties["@type"] = ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"]
        return crate.add_workflow(dest_path=member.path, properties=properties, main=True, lang="snakemake")
    if member.path in templates:
        properties |= {"@type": ["File", "SoftwareSourceCode"], **software, "programmingLanguage": "Python"}
    return crate.add(File(crate, dest_path=member.path, properties=properties))


def _add_steps(crate: ROCrate, templates: Sequence[str], files: Mapping[str, Entity]) -> dict[str, Entity]:
    """Make the workflow a sequence of steps, each of which executes one of the templates; return them by template."""
    steps = {
        template: crate.add(
            ContextEntity(
                crate,
                f"{WORKFLOW}#{template}",
                {"@type": "HowToStep", "name": Path(template).stem, "position": str(position)},
            )
        )
        for position, template in enumerate(templates, 1)
    }
    for template, step in steps.items():
        step["workExample"] = files[template]
    if steps:
        workflow = files[WORKFLOW]
        workflow["hasPart"] = _one_or_all([files[template] for template in templates])
        workflow["step"] = _one_or_all(list(steps.values()))
    return steps


def _add_orchestration(crate: ROCrate, study: Entity, steps: Mapping[Entity, Entity]) -> Entity:
    """Say that Snakemake made the study from runs of cells, and of which step each run is an execution."""
    address = "https://snakemake.github.io"
    engine = crate.add(
        ContextEntity(crate, address, {"@type": "SoftwareApplication", "name": "Snakemake", "url": address})
    )
    controls = [
        crate.add(
            ContextEntity(
                crate,
                f"#step-of-{action.id.removeprefix('#')}",
                {"@type": "ControlAction", "name": f"Snakemake runs {action['name']}"},
            )
        )
        for action in steps
    ]
    for control, (action, step) in zip(controls, steps.items(), strict=True):
        control["instrument"], control["object"] = step, action
    organised = crate.add(
        ContextEntity(crate, "#organisation", {"@type": "OrganizeAction", "name": "Snakemake runs the study"})
    )
    organised["instrument"], organised["object"], organised["result"] = engine, _one_or_all(controls), study
    return organised


def _add_run(
    crate: ROCrate, run: Run, layout: Layout, files: Mapping[str, Entity], digests: Mapping[str, str]
) -> Entity:
    template = layout.place(run.template)
    inputs = {layout.place(path): digest for path, digest in run.inputs.items()}
    outputs = {layout.place(path): digest for path, digest in run.outputs.items()}
    noted = {path: digest for path, digest in (inputs | outputs).items() if digest is not None and path in digests}
    changed = sorted(path for path, digest in noted.items() if digests[path] != digest)
    read, written = (
        [files[path] for path in sorted(paths) if path in files and path not in changed and path != template]
        for paths in (inputs, outputs)
    )
    parameters = json.dumps(run.parameters, sort_keys=True, ensure_ascii=False)
    description = f"papermill executed {run.template} with the parameters {parameters}."
    if changed:
        description += f" Changed since then: {', '.join(changed)}."
    properties = {
        "name": run.name,
        "description": description,
        **_times(run.started, run.ended),
        "actionStatus": FAILED if run.error else COMPLETED,
    }
    if run.error:
        properties["error"] = run.error
    return crate.add_action(
        files.get(template, files[WORKFLOW]),
        identifier=f"#{run.name}",
        object=_one_or_all(read),
        result=_one_or_all(written),
        properties=properties,
    )


def _add_study(
    crate: ROCrate, plan: str, states: Mapping[str, int], runs: Sequence[Run], files: Mapping[str, Entity]
) -> Entity:
    """Add the action of the workflow as a whole, which read the plan and the data and wrote the report."""
    undone = {state: number for state, number in states.items() if state != "done"}
    folder = plan.removesuffix(Path(plan).name)
    data = sorted(path for path in files if Path(path).name == DESCRIPTION)
    properties = {
        "name": "The study",
        "description": "From the start of the first cell to the end of the last one, over all calls of the workflow.",
        **_times(*_span(runs)),
        "actionStatus": FAILED if undone else COMPLETED,
    }
    if undone:
        properties["error"] = f"not all cells are done: {print_states(undone)}"
    return crate.add_action(
        files[WORKFLOW],
        identifier="#study",
        object=_one_or_all([files[plan], *(files[path] for path in data)]),
        result=[files[folder + name] for name in REPORT],
        properties=properties,
    )


def _describe_root(
    crate: ROCrate,
    citation: Mapping[str, Any],
    states: Mapping[str, int],
    runs: Sequence[Run],
    actions: Sequence[Entity],
    *,
    stepwise: bool,
) -> None:
    """Say what the crate is, whose, of when, and what ran."""
    _, ended = _span(runs)
    for name, value in {
        "name": f"{citation['title']}: results",
        "description": "A report that sets published figures beside reproduced ones, the executed notebook and the "
        f"results of every cell of the study ({print_states(states)}), and the project that made them.",
        "datePublished": _time(ended) if ended else str(citation["date-released"]),
        "version": str(citation["version"]),
        "keywords": ", ".join(citation.get("keywords", [])),
    }.items():
        crate.root_dataset[name] = value
    crate.root_dataset["license"] = crate.add(
        ContextEntity(
            crate,
            f"https://spdx.org/licenses/{citation['license']}",
            {"@type": "CreativeWork", "name": citation["license"], "description": "The text stands in LICENSE."},
        )
    )
    authors = [_add_author(crate, number, author) for number, author in enumerate(citation["authors"], 1)]
    crate.root_dataset["author"] = crate.root_dataset["creator"] = _one_or_all(authors)
    crate.root_dataset["conformsTo"] = [
        crate.add(ContextEntity(crate, url, {"@type": "CreativeWork", "name": name, "version": version}))
        for url, (name, version) in PROFILES.items()
        if stepwise or url != PROVENANCE
    ]
    crate.root_dataset["mentions"] = _one_or_all(actions)


def _add_author(crate: ROCrate, number: int, author: Mapping[str, str]) -> Entity:
    """Add an author of the citation file: a person with given and family names, or an organisation with a name."""
    if "name" in author:
        properties = {"@type": "Organization", "name": author["name"]}
    else:
        name = " ".join(author[part] for part in ("given-names", "family-names") if part in author)
        properties = {"@type": "Person", "name": name}
    return crate.add(ContextEntity(crate, author.get("orcid", f"#author-{number}"), properties))


def print_states(states: Mapping[str, int]) -> str:
    """Return states of cells with their numbers: `48 done, 2 failed`."""
    return ", ".join(f"{number} {state}" for state, number in states.items())


def _span(runs: Sequence[Run]) -> tuple[datetime | None, datetime | None]:
    """Return when the first run started and the last one ended; None where none noted it."""
    started = [run.started for run in runs if run.started]
    ended = [run.ended for run in runs if run.ended]
    return min(started, default=None), max(ended, default=None)


def _times(started: datetime | None, ended: datetime | None) -> dict[str, str]:
    return {name: _time(time) for name, time in (("startTime", started), ("endTime", ended)) if time}


def _time(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="seconds")


def _one_or_all(values: Sequence[Any]) -> Any:
    """Return the only value alone: RO-Crate asks for lists only where there are several."""
    return values[0] if len(values) == 1 else values


def absolute_path(path: Path) -> Path:
    """Return an absolute path without `..`; links stay, because a linked folder of data counts where it is linked."""
    return Path(os.path.abspath(path))
