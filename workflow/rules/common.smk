# What all stages share: the checked configuration, the plan of the study, and answers to questions about a cell.

import hashlib
import json
import os
import sys
from pathlib import Path

PROJECT = Path(workflow.basedir)
sys.path.insert(0, str(PROJECT / "src"))
# Jobs run the Python that runs snakemake, and find the package beside the workflow: nothing has to be installed or activated.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
os.environ["PYTHONPATH"] = os.pathsep.join([str(PROJECT / "src"), *filter(None, [os.environ.get("PYTHONPATH")])])

from gradlab.config import ConfigError, check_config, read_config
from gradlab.config.conflicts import DATA
from gradlab.devices import DeviceError, check_device, find_unused_gpu, resolve_device
from gradlab.files import remedy_of, save_json, sha256
from gradlab.lifetime import RUN_VARIABLE, begin_run
from gradlab.lock import LockedError
from gradlab.parameters import ParameterError, check_notebooks, declared_parameters
from gradlab.sources import imported_packages, imported_sources
from gradlab.studies import STUDIES

os.environ[RUN_VARIABLE] = str(os.getpid())


def require(check, *arguments):
    """Stop with the message of a check, and no more, before anything runs."""
    try:
        check(*arguments)
    except (ConfigError, DeviceError, ParameterError) as error:
        raise WorkflowError(str(error))


# Snakemake reads these files as well, but names neither file nor line of a fault, and takes the last of two equal keys.
for file in ("config/config.yaml", *workflow.overwrite_configfiles):
    require(read_config, file)


configfile: "config/config.yaml"


require(check_config, config, PROJECT / "workflow/schemas/config.schema.yaml")

RESULTS = Path(config["results"])
# What the corrected cells that train with torch are trained on: a parameter of these cells.
DEVICE = resolve_device(config["device"])
DATA = Path(DATA)  # a folder, or a link to one: a result does not depend on where the data lie

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
    global run_lock  # held until this process ends; Snakemake's own lock, which stays behind a killed run, is off
    if workflow.local_exec:  # on other machines, each job finds out for itself
        require(check_device, DEVICE)
    if unused := find_unused_gpu(config["device"]):
        logger.warning(unused)
    try:
        run_lock = begin_run()
        save_json(PLAN_FILE, PLAN, sort_keys=False)  # the report keeps the order of the plan
    except LockedError as error:
        raise WorkflowError(str(error))
    except OSError as error:
        raise WorkflowError(f"{PLAN_FILE} could not be written: {error.strerror}; {remedy_of(error)}")


# A cell's place, and how it is run. The command holds names and paths only, each quoted: the parameters wait in the plan.
CELL = RESULTS / "{study}/{protocol}/{cell}"
CELL_LOG = RESULTS / "logs/{study}/{protocol}/{cell}.ipynb"
CELL_BENCHMARK = RESULTS / "benchmarks/{study}/{protocol}/{cell}.tsv"
CELL_MESSAGE = "{wildcards.study}/{wildcards.protocol}/{wildcards.cell} ({time_left}) with {params.parameters}"
RUN_CELL = (
    "python -m gradlab.cell {PLAN_FILE:q} {wildcards.study:q}/{wildcards.protocol:q}/{wildcards.cell:q} "
    "--notebook {input.notebook:q} "
    "--manifest {RESULTS:q}/{wildcards.study:q}/{wildcards.protocol:q}/{wildcards.cell:q}/manifest.json "
    "--log {log:q} --threads {threads} --copies={COPIES:q} --inputs {input:q}"
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


def gpus_of(wildcards):
    """How many GPUs a cell takes."""
    return int(parameters_of(wildcards).get("device") == "cuda")


def memory_of(wildcards):
    """Megabytes that a cell of FashionMNIST takes; CUDA's libraries alone take several thousand, by estimate."""
    return 6000 if gpus_of(wildcards) else 1500


def cells_of(*groups):
    """What every planned cell of the given studies, or protocols, writes."""
    files = ("notebook.ipynb", "metrics.json", "curves.csv", "manifest.json")
    return [RESULTS / name / file for name in PLAN["cells"] if set(name.split("/")[:2]) & set(groups) for file in files]


def digest_of(content):
    """The SHA-256 of what JSON can hold: Snakemake keeps the parameters of a job with each of its outputs."""
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def planned_notebooks():
    """The notebook and the parameters of every planned cell."""
    makers = [maker for maker in workflow.rules if hasattr(maker.output, "manifest")]
    for name, parameters in PLAN["cells"].items():
        manifest = RESULTS / name / "manifest.json"
        maker = next(maker for maker in makers if maker.output.manifest.match(storage_path(manifest)))
        yield str(maker.input.notebook).removeprefix(storage_path("")), {**parameters, "output": str(manifest.parent)}


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
    for file in files:
        if file.endswith(".ipynb"):
            require(declared_parameters, file)
    found = imported_sources(*(PROJECT / file for file in files))
    return [str(path.relative_to(PROJECT)) for path in found]


def packages_of(*files):
    """The installed versions of what else notebooks import: a cell is run again where another version is installed."""
    return imported_packages(*(PROJECT / file for file in files))
