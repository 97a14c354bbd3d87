# What all stages share: the checked configuration, the plan of the study, and answers to questions about a cell.

import os
import sys
from pathlib import Path

PROJECT = Path(workflow.basedir)
sys.path.insert(0, str(PROJECT / "src"))
# Jobs run the Python that runs snakemake, and find the package beside the workflow: nothing has to be installed or activated.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
os.environ["PYTHONPATH"] = os.pathsep.join([str(PROJECT / "src"), *filter(None, [os.environ.get("PYTHONPATH")])])

from gradlab.config import ConfigError, check_config
from gradlab.files import save_json, sha256
from gradlab.sources import imported_sources
from gradlab.studies import STUDIES

try:
    check_config(config, PROJECT / "workflow/schemas/config.schema.yaml")
except ConfigError as error:
    raise WorkflowError(str(error))

RESULTS = Path(config["results"])
DATA = Path(config["data"]["directory"])

# The parameters of every cell, under its name <study>/<protocol>/<cell>, and what each data set needs to be fetched. Each
# stage adds its own; the whole is written as a file before the first job starts, and jobs find their parameters there.
PLAN = {"time_limit": config["time_limit"], "cells": {}, "datasets": {}}
PLAN_FILE = RESULTS / "plan.json"


# What `snakemake --report` opens with.
report: "../report/captions/study.rst"


wildcard_constraints:
    study="|".join(STUDIES),
    protocol="published|corrected",
    cell=r"[A-Za-z0-9_.-]+",


onstart:
    save_json(PLAN_FILE, PLAN, sort_keys=False)  # the report keeps the order of the plan


# A cell's place, and how it is run. The command holds names and paths only: the parameters wait in the plan.
CELL = RESULTS / "{study}/{protocol}/{cell}"
CELL_LOG = RESULTS / "logs/{study}/{protocol}/{cell}.ipynb"
CELL_MESSAGE = "{wildcards.study}/{wildcards.protocol}/{wildcards.cell} with {params.parameters}"
RUN_CELL = (
    "python -m gradlab.cell {PLAN_FILE} {wildcards.study}/{wildcards.protocol}/{wildcards.cell} --notebook {input.notebook} "
    "--manifest {output.manifest} --log {log} --threads {threads} --inputs {input}"
)


def plan_cell(name, **parameters):
    """Add a cell to the plan, under its name <study>/<protocol>/<cell>."""
    PLAN["cells"][name] = parameters


def parameters_of(wildcards):
    """The parameters of a planned cell."""
    name = "{study}/{protocol}/{cell}".format(**wildcards)
    if name not in PLAN["cells"]:
        raise WorkflowError(f"{name} is not a cell of this study; its cells are {', '.join(PLAN['cells'])}")
    return PLAN["cells"][name]


def cells_of(*groups):
    """What every planned cell of the given studies, or protocols, writes."""
    files = ("notebook.ipynb", "metrics.json", "curves.csv", "manifest.json")
    return [RESULTS / name / file for name in PLAN["cells"] if set(name.split("/")[:2]) & set(groups) for file in files]


def metrics_of(name):
    """The results of a cell that another one reads."""
    return str(RESULTS / name / "metrics.json")


def search_before(wildcards):
    """The search whose result a cell reads a learning rate or a λ from."""
    return parameters_of(wildcards).get("search") or []


def runs_compared(wildcards):
    """The results of the runs that a cell compares."""
    return parameters_of(wildcards).get("runs", [])


def cell_files(*figures):
    """What every cell writes, and its figures by name."""
    return {
        "notebook": cell_file("notebook.ipynb", "executed notebook"),
        "metrics": cell_file("metrics.json", "metrics"),
        "curves": cell_file("curves.csv", "curves as a table"),
        "figures": [cell_file(f"{figure}.svg", f"figure: {figure.replace('_', ' ')}") for figure in figures],
        "manifest": cell_file("manifest.json", "manifest"),
    }


def cell_file(file, content):
    """A file that a cell writes, marked for `snakemake --report`; its caption has its name."""
    return report(
        CELL / file,
        caption=f"../report/captions/{file}.rst",
        category=study_in_words,
        subcategory=protocol_in_words,
        labels={"cell": "{cell}", "file": content},
    )


def report_file(file, content):
    """A file that takes all cells together, marked for `snakemake --report`; its caption has its name."""
    return report(
        RESULTS / file,
        caption=f"../report/captions/{file}.rst",
        category="Published against reproduced",
        labels={"file": content},
    )


def study_in_words(wildcards):
    """The title of a study, as the report has it."""
    return STUDIES[wildcards.study].title


def protocol_in_words(wildcards):
    """What the cells of a protocol do."""
    return {"published": "As published", "corrected": "Corrected"}[wildcards.protocol]


def sources_of(*files):
    """The modules of gradlab that notebooks or modules import: a cell is run again when one of them changes."""
    found = imported_sources(*(PROJECT / file for file in files))
    return [str(path.relative_to(PROJECT)) for path in found]
