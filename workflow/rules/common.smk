# What all stages share: the checked surroundings and configuration, and the plan.

import os
import shlex
import sys
from functools import cache, partial
from pathlib import Path

PROJECT = Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).parents[1]
# Whether this is a module of another workflow, to which terminal and process belong.
GUEST = not workflow.modifier.is_main_snakefile()
# Snakemake imports from the folder of the Snakefile, where a file named like a module, torch.py say, would be taken for it.
sys.path[:] = [str(PROJECT / "src"), *(path for path in sys.path if path not in ("", str(PROJECT)))]

from gradlab.engine.preflight import SurroundingsError, check_age, check_surroundings, clean_process

if not GUEST:
    clean_process(PROJECT)
try:
    check_surroundings(PROJECT)
except SurroundingsError as error:
    sys.exit(f"gradlab: {error}")  # a WorkflowError names this file, whose path may be what is wrong

from gradlab.data import DATASETS
from gradlab.engine import warm
from gradlab.engine.manifest import find_outdated
from gradlab.engine.plan import REPORT, is_rendered, metrics_of
from gradlab.engine.progress import Progress
from gradlab.engine.run import DATA, REFUSALS, begin, plan_run
from gradlab.engine.schedule import Schedule
from gradlab.engine.study import PROTOCOLS
from gradlab.files import find_own
from gradlab.lifetime import RUN_VARIABLE

os.environ[RUN_VARIABLE] = str(os.getpid())

# A few lines say what happens, but where Snakemake's own are asked for, or none.
output = workflow.output_settings
told_otherwise = output.dryrun or output.verbose or "PROGRESS" in {about.name for about in output.quiet or ()}
PROGRESS = Progress(logger) if workflow.is_main_process and not (told_otherwise or GUEST) else None
if PROGRESS:
    logger.addHandler(PROGRESS)
    for handler in logger.handlers:
        if handler.name == "DefaultStreamHandler":
            handler.addFilter(PROGRESS.shows)


def require(check, *arguments, **options):
    """Stop with the message of a check, and no more."""
    try:
        return check(*arguments, **options)
    except REFUSALS as error:
        raise WorkflowError(str(error))


# Snakemake has read the files of the command line into `config`; the workflow reads them again, to say where a fault stands.
RUN = require(plan_run, config, [find_own("config/config.yaml"), *([] if GUEST else workflow.overwrite_configfiles)])
RESULTS, CELLS, PLAN_FILE = RUN.results, RUN.cells, RUN.plan_file
GRADLAB = f"{shlex.quote(sys.executable)} -P -m gradlab"
if GUEST:
    GRADLAB = f"PYTHONPATH={shlex.quote(str(PROJECT / 'src'))} PYTHONNOUSERSITE=1 {GRADLAB}"


def run_again(*outputs):
    """Let Snakemake run the job of these outputs, which it would take to be up to date: it goes by ages and records of its own."""
    if workflow.is_main_process:
        workflow.dag.forcefiles.update(map(str, outputs))


# How `snakemake --report` calls what takes all cells together, and the protocols; it sorts by name.
OVERVIEW, SUBCATEGORIES = "Published against reproduced", {"published": "as published", "corrected": "corrected"}


def category_of(title):
    """The category of the overview, or of a study, for `snakemake --report`: numbered in the order of the configuration."""
    titles = [OVERVIEW, *(study.title for study in RUN.studies.values())]
    return f"{titles.index(title) + 1:0{len(str(len(titles)))}}. {title}"


CAPTIONS = PROJECT / "workflow/report/captions"


def find_caption(file, *folders):
    """The caption of a file for `snakemake --report`, and its title: of its study where there is one, else of any such file."""
    places = [*(Path(find_own(f"{folder}/{file}.rst")) for folder in folders), CAPTIONS / f"{file}.rst"]
    caption = next((place for place in places if place.exists()), None)
    general = caption is None
    if general:
        caption = places[-1].with_name("plot.rst" if file.endswith(".svg") else "file.rst")
    title = caption.read_text(encoding="utf-8").partition("\n")[0]
    name = Path(file).stem.replace("_", " ") if general else ""
    return str(caption.absolute()), f"{title}: {name}" if general else title


def start():
    """Lock the folder and write the plan, before the first job."""
    global run_lock  # held until this process ends; Snakemake's own lock, which stays behind a killed run, is off
    run_lock, warning = require(begin, RUN, here=workflow.local_exec)
    if warning:
        logger.warning(warning)


@cache
def start_guest():
    """Start, once, where jobs will run and no `onstart` is called: that of a module is not."""
    runs = workflow.executor_plugin is not None and not (workflow.dryrun or workflow.touch)
    if GUEST and workflow.is_main_process and runs:
        start()
        if workflow.local_exec:
            warm.start(PLAN_FILE, RUN.plan, [*outdated()])


onstart:
    start()
    jobs = list(workflow.dag.needrun_jobs())
    cells = [job.wildcards_dict["name"] for job in jobs if "name" in job.wildcards_dict]
    if workflow.local_exec:
        warm.start(PLAN_FILE, RUN.plan, cells)
    if PROGRESS:
        others = [job.rule.name for job in jobs if job.shellcmd and "name" not in job.wildcards_dict]
        # A core or, on a cluster, a job for each cell.
        at_once = workflow.global_resources["_nodes"].value or workflow.cores
        PROGRESS.begin(schedule(), cells, others, at_once)


def report_file(file):
    """A file that takes all cells together, marked for `snakemake --report`, which sorts them by their titles."""
    caption, title = find_caption(file)
    labels = {"shows": f"{REPORT.index(file) + 1}. {title}"}
    return report(RESULTS / file, caption=caption, category=category_of(OVERVIEW), labels=labels)


def cells_in_report(wildcards):
    """All cells; and the report is rendered again where any of what it is made from has changed."""
    start_guest()
    if not is_rendered(RUN.plan, RESULTS, RUN.studies.values(), [Path(BENCHMARKS), *VERIFIED]):
        run_again(RESULTS / "report.html")
    return RUN.cells_of(*PROTOCOLS)
