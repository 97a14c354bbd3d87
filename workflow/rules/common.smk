# What all stages share: the checked surroundings and configuration, and the plan.

import os
import shlex
import sys
from functools import cache, partial
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

from gradlab.data import DATASETS, digest_preparing, is_outdated
from gradlab.engine.config import ConfigError, check_config, read_config, read_packages
from gradlab.engine.figures import FigureError, check_figures
from gradlab.engine.manifest import find_outdated
from gradlab.engine.notebook import ParameterError
from gradlab.engine.plan import is_rendered, make_plan, metrics_of, plan_cells
from gradlab.engine.schedule import expect_seconds, find_longest_waits, print_time_left, read_last_runs
from gradlab.engine.study import PROTOCOLS, StudyError, discover
from gradlab.files import remedy_of, save_json
from gradlab.lab.devices import DeviceError, check_device, resolve_device
from gradlab.lifetime import RUN_VARIABLE

os.environ[RUN_VARIABLE] = str(os.getpid())


def require(check, *arguments, **options):
    """Stop with the message of a check, and no more, before anything runs."""
    try:
        return check(*arguments, **options)
    except (ConfigError, DeviceError, FigureError, ParameterError, StudyError, SurroundingsError) as error:
        raise WorkflowError(str(error))


# Snakemake reads these files as well, but names neither file nor line of a fault, and takes the last of two equal keys.
FILES = ["config/config.yaml", *workflow.overwrite_configfiles]
for file in FILES:
    require(read_config, file)


configfile: "config/config.yaml"


PACKAGES = require(read_packages, config)
STUDIES = require(discover, PACKAGES)
SETTINGS = require(check_config, config, STUDIES, files=FILES)
STUDIES = {name: STUDIES[name] for name in SETTINGS.sections}
RESULTS, DATA = Path(SETTINGS.results), Path("results/data")  # the latter is a folder, or a link to one; all studies share it
require(check_folders, RESULTS, DATA)
require(check_figures, STUDIES.values())
DEVICE = resolve_device(SETTINGS.device)
CELLS = require(plan_cells, STUDIES, SETTINGS.sections)
PLAN = {
    "packages": list(PACKAGES),
    "studies": list(STUDIES),
    "time_limit": SETTINGS.time_limit,
    "datasets": {name: {"destination": str(DATA / name), **SETTINGS.data.for_dataset(name)} for name in DATASETS},
    **require(make_plan, CELLS, STUDIES, results=RESULTS, data=DATA, device=DEVICE, prepared_by=digest_preparing()),
}
# Written before the first job starts; jobs find there what they need.
PLAN_FILE = RESULTS / "plan.json"
PYTHON = f"{shlex.quote(sys.executable)} -P -m"


def cells_of(*groups):
    """The manifest of every planned cell of the given studies, or protocols: what belongs to it, it says itself."""
    return [RESULTS / key / "manifest.json" for key, cell in CELLS.items() if {cell.study, cell.protocol} & set(groups)]


def run_again(*outputs):
    """Let Snakemake run the job of these outputs, which it would take to be up to date: it goes by ages and records of its own."""
    if workflow.is_main_process:
        workflow.dag.forcefiles.update(map(str, outputs))


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
