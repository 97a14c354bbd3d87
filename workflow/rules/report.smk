# The report: every published figure beside ours, and a page for every executed notebook. It needs all cells; where some fail,
# it is rendered at the end all the same and shows them as failed or missing.

# What `make bench` found, on this machine or another, and what `make verify` found, where it has run.
BENCHMARKS, REPEATABILITY = "benchmarks/results.json", RESULTS / "repeatability.json"
RENDER_REPORT = "{PYTHON} gradlab.report.build {PLAN_FILE:q} --data {DATA:q} --benchmarks {BENCHMARKS:q}"


# What `snakemake --report` opens with.
report: "../report/captions/study.rst"


def report_file(file, content):
    """A file that takes all cells together, marked for `snakemake --report`; its caption has its name."""
    return report(
        RESULTS / file,
        caption=f"../report/captions/{file}.rst",
        category="Published against reproduced",
        labels={"file": content},
    )


def cells_in_report(wildcards):
    """All cells; and the report is rendered again where any of what it is made from has changed."""
    if not is_rendered(PLAN, RESULTS, STUDIES.values(), [Path(BENCHMARKS), REPEATABILITY]):
        run_again(RESULTS / "report.html")
    return cells_of(*PROTOCOLS)


rule report:
    input:
        cells_in_report,
    output:
        report=report_file("report.html", "report"),
        ledger=report_file("ledger.json", "ledger and errata, for programs"),
        tables=[report_file("ledger.csv", "ledger"), report_file("errata.csv", "errata")],
        folders=[directory(RESULTS / "pages"), directory(RESULTS / "figures")],
        manifest=RESULTS / "manifest.json",
    resources:
        mem_mb=1500,
        runtime=20,
    message:
        "Rendering {output.report}"
    shell:
        RENDER_REPORT


rule ledger:
    """Fails where a published figure that must be reproduced to the last digit is not."""
    input:
        RESULTS / "ledger.json",
    resources:
        mem_mb=500,
        runtime=5,
    shell:
        "{PYTHON} gradlab.engine.ledger {input:q}"


onerror:
    shell(RENDER_REPORT)
