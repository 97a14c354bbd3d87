# Edge cases of automatic differentiation: a cell for each function whose derivative autograd gets wrong, or only seems to. Beyond
# the notebook, one cell sweeps torch's own functions at the points where they are not smooth.

plan_notebook("autodiff", ["function.svg", "detail.svg", "answers.json"], mem_mb=1000, runtime=10)
plan_notebook("derivative_sweep", ["functions.svg", "answers.json"], mem_mb=1000, runtime=10)

for case in config["autodiff"]["cases"]:
    plan_cell(f"autodiff/published/{case}", "autodiff", case=case, seed=config["autodiff"]["seed"])

if config["autodiff"]["torch_functions"]:
    plan_cell("autodiff/corrected/torch_functions", "derivative_sweep")
