# The report. It needs all cells; where some fail, it is rendered at the end all the same and shows them as failed or missing.

# What `make bench` found, on this machine or another, and what `make verify` found, where it has run.
BENCHMARKS, VERIFIED = find_own("benchmarks/results.json"), [RESULTS / "repeatability.json", RESULTS / "rounding.json"]
RENDER_REPORT = f"{GRADLAB} report {shlex.join(map(str, (PLAN_FILE, '--data', DATA, '--benchmarks', BENCHMARKS)))}"


report: "../report/captions/study.rst"  # what `snakemake --report` opens with


rule report:
    input:
        cells_in_report,
    output:
        report=report_file("report.html"),
        tables=[report_file(file) for file in REPORT[1:]],
        folders=[directory(RESULTS / "pages"), directory(RESULTS / "figures")],
        manifest=RESULTS / "manifest.json",
    localrule: True  # half a minute, and what it prints is for this terminal
    resources:
        mem_mb=1500,
        runtime=20,
    params:
        command=RENDER_REPORT,
    message:
        "Rendering {output.report}"
    shell:
        "{params.command}"


onerror:
    shell("{RENDER_REPORT}")
