# How any cell is run: a rule for each notebook, whose jobs are its cells. The manifests decide which run. What is missing, was made
# from something else than is planned, or is no longer what was written, runs again, and nothing else does, whatever the ages of
# files and Snakemake's own records say.

import re
from collections import defaultdict


@cache
def outdated():
    """The cells that have to run, with the reason."""
    return find_outdated(RUN.plan, RESULTS)


def needed_by(wildcards):
    """The files that a cell reads.

    Those of a cell that is done are there for the graph alone: nothing is made for it, and what is made beside it for others does
    not make it run. (Snakemake overlooks a job that has to run where it reads `ancient` files of another one that has to run.)
    """
    start_guest()
    name, settings = wildcards.name, workflow.dag_settings
    if name not in CELLS:
        raise WorkflowError(f"{name} is not planned; the names of cells follow from the configuration")
    files = {file: data in RUN.outdated_data for data in CELLS[name].data.values() for file in data_of(data)}
    files |= {str(metrics_of(source, RESULTS)): source in outdated() for source in CELLS[name].sources}
    if name in outdated():
        if workflow.is_main_process and outdated()[name]:
            logger.info(f"{name} runs again: {outdated()[name]}")
        if os.path.exists(RESULTS / name):
            run_again(RESULTS / name / "manifest.json")
        require(check_age, files)
    elif not (settings.forceall or settings.forcetargets or settings.forcerun):
        return [ancient(file) for file, made in files.items() if not made and os.path.exists(file)]
    return list(files)


@cache
def schedule():
    """What is known of times; asked before the first job starts, which removes what an earlier run has left."""
    return Schedule(RUN.plan["cells"], RESULTS)


def result_file(file, study):
    """A file that a cell writes, marked for `snakemake --report`."""
    caption, title = find_caption(file, f"notebooks/{study}/captions")
    return report(
        RESULTS / "{name}" / file,
        caption=caption,
        category=category_of(RUN.studies[study].title),
        subcategory=lambda wildcards: SUBCATEGORIES[CELLS[wildcards.name].protocol],
        labels=lambda wildcards: {"cell": CELLS[wildcards.name].name, "shows": title},
    )


def family_of(key):
    """The regular expression of a cell's name and those that differ in numbers alone: Snakemake reads it for every file."""
    return re.sub(r"\d+", r"\\d+", re.escape(key))


templates = defaultdict(set)
for cell in CELLS.values():
    templates[family_of(cell.key)].add(cell.template)

for template in dict.fromkeys(cell.template for cell in CELLS.values()):
    planned = {key: cell for key, cell in CELLS.items() if cell.template == template}
    sample = next(iter(planned.values()))
    needs = sample.resources
    families = dict.fromkeys(
        family_of(key) if len(templates[family_of(key)]) == 1 else re.escape(key) for key in planned
    )

    rule:
        name:
            f"{sample.study}_{sample.notebook}"
        input:
            needed_by,
        output:
            [result_file(file, sample.study) for file in (*sample.outputs, "manifest.json")],
        log:
            RESULTS / "logs/{name}.ipynb",
        wildcard_constraints:
            name="|".join(families),
        priority: lambda wildcards: schedule().longest_waits[wildcards.name]
        group:
            lambda wildcards: RUN.group_of(wildcards.name)
        localrule: needs.local
        threads: needs.threads
        resources:
            gpu=lambda wildcards: RUN.gpus_of(wildcards.name),
            mem_mb=lambda wildcards: RUN.memory_of(wildcards.name),
            runtime=needs.minutes,
        params:
            given=lambda wildcards: RUN.plan["cells"][wildcards.name]["given"],
            template=template,
            gradlab=GRADLAB,
            plan=PLAN_FILE,
        message:
            "{wildcards.name} with {params.given}"
        shell:
            "{params.gradlab} cell {params.plan:q} {wildcards.name:q} --threads {threads}"
