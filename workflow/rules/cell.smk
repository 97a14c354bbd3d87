# How any cell is run: a rule for each notebook, whose jobs are the cells that were planned for it.
#
# The manifests decide which cells run. What is missing, was made from something else than is planned, or is no longer what was
# written, runs again, and nothing else does, whatever the ages of files and Snakemake's own records say.

import re
import time


@cache
def outdated():
    """The cells that have to run, with the reason."""
    return find_outdated(PLAN, RESULTS)


def needed_by(wildcards):
    """The files that a cell reads.

    Those of a cell that is done are there for the graph alone: nothing is made for it, and what is made beside it for others does
    not make it run. (Snakemake overlooks a job that has to run where it reads `ancient` files of another one that has to run.)
    """
    name, settings = wildcards.name, workflow.dag_settings
    cell = CELLS[name]
    files = {file: to_prepare(data) for data in cell.data.values() for file in data_of(data)}
    files |= {str(metrics_of(source, RESULTS)): source in outdated() for source in cell.sources}
    if name in outdated():
        if workflow.is_main_process and outdated()[name]:
            logger.info(f"{name} runs again: {outdated()[name]}")
        if os.path.exists(RESULTS / name):
            run_again(RESULTS / name / "manifest.json")
        require(check_age, files)
    elif not (settings.forceall or settings.forcetargets or settings.forcerun):
        return [ancient(file) for file, made in files.items() if not made and os.path.exists(file)]
    return list(files)


def check_age(files):
    """Refuse files from the future: Snakemake would do so as well, but when the job is done, and delete its outputs."""
    for file in files:
        if os.path.exists(file) and os.path.getmtime(file) > time.time() + 1:
            date = time.strftime("%Y-%m-%d %H:%M", time.localtime(os.path.getmtime(file)))
            raise SurroundingsError(f"{file} is dated {date}, in the future: set the clock right, or `touch` the file")


@cache
def last_runs():
    """What cells of the plan took here; read before the first job starts, which removes what an earlier run has left."""
    return read_last_runs(PLAN["cells"], RESULTS)


@cache
def longest_waits():
    """What the longest chain of cells that begins with each cell of the plan will take."""
    return find_longest_waits(PLAN["cells"], expect_seconds(PLAN["cells"], last_runs()))


class TimeLeft:
    """The time left at the moment at which a message is written."""

    def __str__(self):
        jobs = [job.wildcards_dict for job in workflow.dag.needrun_jobs()]
        unfinished = [cell["name"] for cell in jobs if "name" in cell]
        # A core or, on a cluster, a job for each cell.
        at_once = workflow.global_resources["_nodes"].value or workflow.cores
        return print_time_left(PLAN["cells"], unfinished, last_runs(), at_once)


time_left = TimeLeft()


def gpus_of(wildcards):
    """How many GPUs a cell takes."""
    return int(DEVICE == "cuda" and CELLS[wildcards.name].device is not None)


def memory_of(megabytes, wildcards):
    """Megabytes that a cell takes; CUDA's libraries alone take several thousand, by estimate."""
    return max(megabytes, 6000 * gpus_of(wildcards))


def part_of_cell(part):
    """Return a function that gives a field of the cell of a job."""
    return lambda wildcards: getattr(CELLS[wildcards.name], part)


def cell_file(file):
    """A file that a cell writes, marked for `snakemake --report`; its caption has its name."""
    return report(
        RESULTS / "{name}" / file,
        caption=f"../report/captions/{file if os.path.exists(f'workflow/report/captions/{file}.rst') else 'figure'}.rst",
        category=lambda wildcards: STUDIES[CELLS[wildcards.name].study].title,
        subcategory=lambda wildcards: {"published": "As published"}.get(CELLS[wildcards.name].protocol, "Corrected"),
        labels=lambda wildcards: {"cell": CELLS[wildcards.name].name, "file": file},
    )


for template in dict.fromkeys(cell.template for cell in CELLS.values()):
    planned = [key for key, cell in CELLS.items() if cell.template == template]
    sample = CELLS[planned[0]]
    needs = sample.resources

    rule:
        name:
            f"{sample.study}_{sample.notebook}"
        input:
            needed_by,
        output:
            [cell_file(file) for file in (*sample.outputs, "manifest.json")],
        log:
            RESULTS / "logs/{name}.ipynb",
        benchmark:
            RESULTS / "benchmarks/{name}.tsv"
        wildcard_constraints:
            name="|".join(map(re.escape, planned)),
        threads: needs.threads
        priority: lambda wildcards: longest_waits()[wildcards.name]
        resources:
            gpu=gpus_of,
            mem_mb=partial(memory_of, needs.memory),
            runtime=needs.minutes,
        params:
            parameters=lambda wildcards: PLAN["cells"][wildcards.name]["given"],
            # For the captions of `snakemake --report`.
            notebook=template,
            study=part_of_cell("study"),
            protocol=part_of_cell("protocol"),
            cell=part_of_cell("name"),
        group:
            "short" if needs.minutes <= 10 and not needs.local else None
        localrule: needs.local
        message:
            "{wildcards.name}{time_left} with {params.parameters}"
        shell:
            "{PYTHON} gradlab.engine.cell {PLAN_FILE:q} {wildcards.name:q} --threads {threads}"
