# Edge cases of automatic differentiation: a cell for each function whose derivative autograd gets wrong, or only seems to.

for case in config["autodiff"]["cases"]:
    plan_cell(f"autodiff/published/{case}", case=case, seed=config["autodiff"]["seed"])


rule autodiff_cell:
    input:
        notebook="notebooks/autodiff.ipynb",
        sources=sources_of("notebooks/autodiff.ipynb"),
    output:
        **cell_files("function", "detail"),
        answers=CELL / "answers.json",
    log:
        CELL_LOG,
    wildcard_constraints:
        study="autodiff",
    threads: 1
    params:
        parameters=parameters_of,
    message:
        CELL_MESSAGE
    shell:
        RUN_CELL
