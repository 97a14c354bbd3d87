"""Audits all notebooks of a plan; written by `gradlab audit`, which shows what comes out. A run of a notebook is a job."""

import json

with open("plan.json", encoding="utf-8") as file:
    PLAN = json.load(file)


rule all:
    input:
        expand("{name}/audit.json", name=PLAN["notebooks"]),


rule run:
    input:
        lambda wildcards: PLAN["notebooks"][wildcards.name]["file"],
    output:
        "{name}/runs/{run}.ipynb",
        "{name}/runs/{run}.json",
    wildcard_constraints:
        run="first|second",
    params:
        python=PLAN["python"],
        limits=PLAN["limits"],  # with others, it runs again
    shell:
        "{params.python:q} -P -m gradlab.audit.folder plan.json {wildcards.name:q} {wildcards.run}"


rule judge:
    input:
        lambda wildcards: PLAN["notebooks"][wildcards.name]["file"],
        lambda wildcards: expand(
            "{name}/runs/{run}.json", name=[wildcards.name], run=PLAN["notebooks"][wildcards.name]["runs"]
        ),
    output:
        "{name}/audit.json",
        "{name}/figures.csv",
        "{name}/report.html",
    params:
        python=PLAN["python"],
        limits=PLAN["limits"],  # with others, it runs again
        date=PLAN["date"],
    shell:
        "{params.python:q} -P -m gradlab.audit.folder plan.json {wildcards.name:q} judge"
