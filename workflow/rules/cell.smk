# How any cell is run: a rule for each notebook, whose jobs are the cells that were planned for it.
#
# The manifests decide which cells run. What is missing, was made from something else than is planned, or is no longer what was
# written, runs again, and nothing else does, whatever the ages of files and Snakemake's own records say.

import re
import time

require(check_notebooks, [(recipe["notebook"], {**PLAN["cells"][name], "output": ""}) for name, recipe in PLAN["recipes"].items()])
add_recipes(PLAN, {dataset: digest_content(PREPARED_BY) for dataset in ARRAYS})


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
    recipe = PLAN["recipes"][name]
    files = {file: is_outdated(dataset) for dataset in recipe["data"] for file in data_of(dataset)}
    files |= {metrics_of(read): read in outdated() for read in recipe["reads"]}
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
            date = datetime.fromtimestamp(os.path.getmtime(file))
            raise SurroundingsError(f"{file} is dated {date:%Y-%m-%d %H:%M}, in the future: set the clock right, or `touch` the file")


def gpus_of(wildcards):
    """How many GPUs a cell takes."""
    return int(parameters_of(wildcards).get("device") == "cuda")


def memory_of(megabytes):
    """Megabytes that a cell takes; CUDA's libraries alone take several thousand, by estimate."""
    return lambda wildcards: 6000 if gpus_of(wildcards) else megabytes


def part_of_name(number):
    """Return a function that gives a part of a cell's name: its study, its protocol, or what it is called there."""
    return lambda wildcards: wildcards.name.split("/")[number]


study_of, protocol_of, cell_of = map(part_of_name, range(3))


def cell_file(file):
    """A file that a cell writes, marked for `snakemake --report`; its caption has its name."""
    contents = {
        "notebook.ipynb": "executed notebook",
        "curves.csv": "curves as a table",
        **{name: Path(name).stem for name in ("metrics.json", "manifest.json", "answers.json")},
    }
    return report(
        RESULTS / "{name}" / file,
        caption=f"../report/captions/{file}.rst",
        category=lambda wildcards: STUDIES[study_of(wildcards)].title,
        subcategory=lambda wildcards: {"published": "As published", "corrected": "Corrected"}[protocol_of(wildcards)],
        labels=lambda wildcards: {
            "cell": cell_of(wildcards),
            "file": contents.get(file, f"figure: {Path(file).stem.replace('_', ' ')}"),
        },
    )


for notebook, needs in NOTEBOOKS.items():
    planned = [name for name, recipe in PLAN["recipes"].items() if Path(recipe["notebook"]).stem == notebook]

    rule:
        name:
            f"{notebook}_cell"
        input:
            needed_by,
        output:
            [cell_file(file) for file in ("notebook.ipynb", "metrics.json", "curves.csv", *needs["files"], "manifest.json")],
        log:
            RESULTS / "logs/{name}.ipynb",
        benchmark:
            RESULTS / "benchmarks/{name}.tsv"
        wildcard_constraints:
            name="|".join(map(re.escape, planned)) or "none",
        threads: 1
        priority: priority_of
        resources:
            gpu=gpus_of,
            mem_mb=memory_of(needs["mem_mb"]),
            runtime=needs["runtime"],
        params:
            parameters=parameters_of,
            # For the captions of `snakemake --report`.
            notebook=f"notebooks/{notebook}.ipynb",
            study=study_of,
            protocol=protocol_of,
            cell=cell_of,
        localrule: needs["local"]
        message:
            "{wildcards.name}{time_left} with {params.parameters}"
        shell:
            "{PYTHON} gradlab.engine.cell {PLAN_FILE:q} {wildcards.name:q} --threads {threads}"
