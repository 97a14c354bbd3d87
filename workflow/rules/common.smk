# What all stages share: the checked surroundings and configuration, and the plan of the study.

import os
import shlex
import sys
from datetime import datetime
from pathlib import Path

PROJECT = Path(workflow.basedir)
# Snakemake imports from the folder of the Snakefile, where a file named like a module, torch.py say, would be taken for it.
sys.path[:] = [str(PROJECT / "src"), *(path for path in sys.path if path not in ("", str(PROJECT)))]

from gradlab.engine.preflight import SurroundingsError, check_folders, check_surroundings, clean_process

clean_process(PROJECT)
try:
    check_surroundings(PROJECT)
except SurroundingsError as error:
    sys.exit(f"gradlab: {error}")  # a WorkflowError names this file, whose path may be what is wrong

from filelock import FileLock, Timeout

from gradlab.engine.config import ConfigError, check_config, read_config
from gradlab.data import PREPARING
from gradlab.lab.devices import DeviceError, check_device, resolve_device
from gradlab.files import remedy_of, save_json, sha256
from gradlab.lifetime import RUN_VARIABLE
from gradlab.engine.manifest import digest_content, find_outdated, read_manifest
from gradlab.engine.notebook import ParameterError, check_notebooks
from gradlab.engine.plan import add_recipes, is_rendered
from gradlab.engine.study import STUDIES

os.environ[RUN_VARIABLE] = str(os.getpid())


def require(check, *arguments):
    """Stop with the message of a check, and no more, before anything runs."""
    try:
        return check(*arguments)
    except (ConfigError, DeviceError, ParameterError, SurroundingsError) as error:
        raise WorkflowError(str(error))


# Snakemake reads these files as well, but names neither file nor line of a fault, and takes the last of two equal keys.
for file in ("config/config.yaml", *workflow.overwrite_configfiles):
    require(read_config, file)


configfile: "config/config.yaml"


require(check_config, config, PROJECT / "workflow/schemas/config.schema.yaml")

RESULTS, DATA = Path(config["results"]), Path("results/data")  # the latter is a folder, or a link to one; all studies share it
require(check_folders, RESULTS, DATA)
# What the corrected cells that train with torch are trained on: a parameter of these cells.
DEVICE = resolve_device(config["device"])

# The parameters of every cell, under its name <study>/<protocol>/<cell>, its recipe, which is all that its results depend on, and
# what each data set needs to be fetched. Each stage adds its own; the whole is written as a file before the first job starts,
# and jobs find there what they need.
PLAN = {"time_limit": config["time_limit"], "cells": {}, "recipes": {}, "datasets": {}}
PLAN_FILE = RESULTS / "plan.json"
# What the rule of a notebook asks for, and what its cells write beside metrics, curves and notebook.
NOTEBOOKS = {}
PYTHON = f"{shlex.quote(sys.executable)} -P -m"


def plan_notebook(notebook, files, *, mem_mb, runtime, local=False):
    """Say what cells of a notebook write, and what they need; `local` ones are too short for a cluster's queue."""
    NOTEBOOKS[notebook] = {"files": files, "mem_mb": mem_mb, "runtime": runtime, "local": local}


def plan_cell(name, notebook, *, data_sets=(), reads=(), **parameters):
    """Add a cell to the plan, under its name <study>/<protocol>/<cell>.

    It maps the data sets `data_sets`, and reads the metrics of the cells `reads`.
    """
    PLAN["cells"][name] = parameters
    PLAN["recipes"][name] = {
        "notebook": f"notebooks/{notebook}.ipynb",
        "data": list(data_sets),
        "reads": list(reads),
        "inputs": [*(str(DATA / dataset / "dataset.json") for dataset in data_sets), *map(metrics_of, reads)],
        "figures": NOTEBOOKS[notebook]["files"],
    }


def metrics_of(name):
    """The results of a cell that another one reads."""
    return str(RESULTS / name / "metrics.json")


def parameters_of(wildcards):
    """The parameters of a planned cell."""
    return PLAN["cells"][wildcards.name]


def cells_of(*groups):
    """The manifest of every planned cell of the given studies, or protocols: what belongs to it, it says itself."""
    return [RESULTS / name / "manifest.json" for name in PLAN["cells"] if set(name.split("/")[:2]) & set(groups)]


def run_again(*outputs):
    """Let Snakemake run the job of these outputs, which it would take to be up to date: it goes by ages and records of its own."""
    if workflow.is_main_process:
        workflow.dag.forcefiles.update(map(str, outputs))


def report_file(file, content):
    """A file that takes all cells together, marked for `snakemake --report`; its caption has its name."""
    return report(
        RESULTS / file,
        caption=f"../report/captions/{file}.rst",
        category="Published against reproduced",
        labels={"file": content},
    )


# What `snakemake --report` opens with.
report: "../report/captions/study.rst"


onstart:
    global run_lock  # held until this process ends; Snakemake's own lock, which stays behind a killed run, is off
    if workflow.local_exec:  # on other machines, each job finds out for itself
        require(check_device, DEVICE)
    run_lock = FileLock(".snakemake/run.lock")
    try:
        run_lock.acquire(timeout=0)
    except Timeout:
        raise WorkflowError("another run is going on in this folder; wait for its end, or end it")
    except OSError as error:
        logger.warning(f"this folder cannot be locked ({error.strerror}): see to it that one run at a time goes on in it")
    try:
        save_json(PLAN_FILE, PLAN, sort_keys=False)  # the report keeps the order of the plan
    except OSError as error:
        raise WorkflowError(f"{PLAN_FILE} could not be written: {error.strerror}; {remedy_of(error)}")
