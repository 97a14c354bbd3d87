# The report: every published figure beside ours, and a page for every executed notebook. It needs all cells; where some fail,
# it is rendered at the end all the same and shows them as failed or missing.

PUBLISHED = ["figures.yaml", "claims.yaml", "settings.yaml", "corrected.yaml", "deviations.yaml"]
PUBLISHED += ["augmentation_curves.csv", "batch_size_curves.csv"]
TEMPLATES = ["report.html.j2", "ledger.html.j2", "macros.html.j2", "ledger.js", "style.css"]
TEMPLATES += ["notebook/index.html.j2"]
# What `make verify` found, where it has run.
REPEATABILITY = RESULTS / "repeatability.json"
# What `make bench` found, on this machine or another.
BENCHMARKS = "benchmarks/results.json"
RENDER_REPORT = (
    "python -m gradlab.report {PLAN_FILE:q} --published workflow/published --templates workflow/report --data {DATA:q} "
    "--benchmarks {BENCHMARKS:q}"
)


rule report:
    input:
        cells=cells_of("published", "corrected"),
        repeatability=[REPEATABILITY] if REPEATABILITY.exists() else [],
        benchmarks=BENCHMARKS,
        published=[f"workflow/published/{file}" for file in PUBLISHED],
        templates=[f"workflow/report/{file}" for file in TEMPLATES],
        sources=["src/gradlab/report.py", *sources_of("src/gradlab/report.py")],
    output:
        report=report_file("report.html", "report"),
        ledger=report_file("ledger.json", "ledger and errata, for programs"),
        tables=[report_file("ledger.csv", "ledger"), report_file("errata.csv", "errata")],
        folders=[directory(RESULTS / "pages"), directory(RESULTS / "figures")],
    threads: 1
    resources:
        mem_mb=1500,
        runtime=20,
    params:
        plan=digest_of(PLAN["cells"]),
    message:
        "Rendering {output.report}"
    shell:
        RENDER_REPORT


rule ledger:
    """Fails where a published figure that must be reproduced to the last digit is not."""
    input:
        RESULTS / "ledger.json",
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    shell:
        "python -m gradlab.ledger {input:q}"


onerror:
    shell(RENDER_REPORT)
