# Edge cases of automatic differentiation: a cell for each function whose derivative autograd gets wrong, or only seems to. Beyond
# the notebook, one cell sweeps torch's own functions at the points where they are not smooth.

for case in config["autodiff"]["cases"]:
    plan_cell(f"autodiff/published/{case}", case=case, seed=config["autodiff"]["seed"])

if config["autodiff"]["torch_functions"]:
    plan_cell("autodiff/corrected/torch_functions")


rule autodiff_cell:
    input:
        notebook="notebooks/autodiff.ipynb",
        sources=sources_of("notebooks/autodiff.ipynb"),
    output:
        **cell_files("function", "detail"),
        answers=cell_file("answers.json", "answers"),
    log:
        CELL_LOG,
    benchmark:
        CELL_BENCHMARK
    wildcard_constraints:
        study="autodiff",
        protocol="published",
    threads: 1
    priority: priority_of
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        parameters=parameters_of,
        packages=packages_of("notebooks/autodiff.ipynb"),
    message:
        CELL_MESSAGE
    shell:
        RUN_CELL


rule derivative_sweep_cell:
    input:
        notebook="notebooks/derivative_sweep.ipynb",
        sources=sources_of("notebooks/derivative_sweep.ipynb"),
    output:
        **cell_files("functions"),
        answers=cell_file("answers.json", "answers"),
    log:
        CELL_LOG,
    benchmark:
        CELL_BENCHMARK
    wildcard_constraints:
        study="autodiff",
        protocol="corrected",
        cell="torch_functions",
    threads: 1
    priority: priority_of
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        parameters=parameters_of,
        packages=packages_of("notebooks/derivative_sweep.ipynb"),
    message:
        CELL_MESSAGE
    shell:
        RUN_CELL
