"""Published deep-learning notebooks, re-run cell by cell; see README.md."""

from snakemake.utils import min_version

min_version("9.27")


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/cell.smk"
include: "workflow/rules/report.smk"


rule all:
    default_target: True
    input:
        rules.report.output,
        RUN.cells_of(*PROTOCOLS),


# Every cell of a protocol, and of a study.
for target in (*PROTOCOLS, *RUN.studies):

    rule:
        name:
            target
        input:
            RUN.cells_of(target),
