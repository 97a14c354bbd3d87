"""Two published deep-learning notebooks, re-run cell by cell; see README.md."""

from snakemake.utils import min_version

min_version("9.27")

include: "workflow/rules/common.smk"
include: "workflow/rules/schedule.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/autodiff.smk"
include: "workflow/rules/augmentation.smk"
include: "workflow/rules/batch_size.smk"
include: "workflow/rules/regularization.smk"
include: "workflow/rules/regularization_corrected.smk"
include: "workflow/rules/cell.smk"
include: "workflow/rules/report.smk"


rule all:
    default_target: True
    input:
        rules.report.output,
        cells_of("published", "corrected"),


rule published:
    """Every cell of the published protocol."""
    input:
        cells_of("published"),


rule corrected:
    """Every cell of the corrected protocol."""
    input:
        cells_of("corrected"),


rule autodiff:
    input:
        cells_of("autodiff"),


rule augmentation:
    input:
        cells_of("augmentation"),


rule batch_size:
    input:
        cells_of("batch_size"),


rule regularization:
    input:
        cells_of("regularization"),
