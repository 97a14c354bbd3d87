# The two-layer network on CIFAR-10, corrected: the check by overfitting on the 100 images that the notebook's text means, λ chosen
# by the mean validation accuracy of several seeds, and the final network and two variants of it over more seeds, which alone
# read the test set. One more cell shows what the order of the rows, which the notebook hides, does to its search.

CORRECTED = REGULARIZATION["corrected"]
# Curves of the final networks have four points in a rise of the learning rate: they cost as much as the training.
CURVE_POINTS = 4


def seeded(seed):
    """The parameters of a run under a seed of its own."""
    return {"seed": seed, "root_seed": CORRECTED["root_seed"]}


for seed in CORRECTED["seeds"]:
    plan_overfitting(f"corrected/overfit-{CORRECTED['overfit_images']}-{seed}", CORRECTED["overfit_images"], **seeded(seed))

for search, settings in SEARCHES.items():
    grid = {"lambdas": COARSE_GRID} if search == "coarse" else {"search": metrics_of("regularization/corrected/coarse")}
    for seed in CORRECTED["search_seeds"]:
        plan_cell(
            f"regularization/corrected/{search}-{seed}",
            cell=search,
            data=str(DATA / "cifar10"),
            **SEARCH_ROWS,
            **schedule_of(settings["n_s"]),
            epochs=settings["epochs"],
            **grid,
            **seeded(seed),
        )
    plan_cell(
        f"regularization/corrected/{search}",
        cell=search,
        runs=[metrics_of(f"regularization/corrected/{search}-{seed}") for seed in CORRECTED["search_seeds"]],
        seeds=CORRECTED["search_seeds"],
        refined_points=CORRECTED["fine_points"],
    )

VARIANTS = {
    "final": {},
    "variant-flips": {"flip_probability": CORRECTED["flip_probability"]},
    "variant-binary_cross_entropy": {"loss": "binary_cross_entropy"},
}
for cell, variation in VARIANTS.items():
    for seed in CORRECTED["seeds"]:
        plan_training(
            f"corrected/{cell}-{seed}",
            cell=cell,
            **FINAL_ROWS,
            lmbda=None,
            search=metrics_of("regularization/corrected/fine"),
            evaluate_every=REGULARIZATION["final"]["n_s"] // CURVE_POINTS,
            **REGULARIZATION["final"],
            **seeded(seed),
            **variation,
        )

plan_cell(
    "regularization/corrected/row_order",
    data=str(DATA / "cifar10"),
    **SEARCH_ROWS,
    **schedule_of(SEARCHES["coarse"]["n_s"]),
    epochs=SEARCHES["coarse"]["epochs"],
    runs=PLAN["cells"]["regularization/published/coarse"]["runs"],
)


use rule two_layer_cell as two_layer_corrected_cell with:
    wildcard_constraints:
        study="regularization",
        protocol="corrected",
        cell=r"(final|variant-\w+)-\d+",


rule lambda_grid_cell:
    input:
        notebook="notebooks/lambda_grid.ipynb",
        sources=sources_of("notebooks/lambda_grid.ipynb"),
        data=data_of("cifar10"),
        search=search_before,
    output:
        **cell_files("search"),
    log:
        CELL_LOG,
    benchmark:
        CELL_BENCHMARK
    wildcard_constraints:
        study="regularization",
        protocol="corrected",
        cell=r"(coarse|fine)-\d+",
    threads: 1
    priority: priority_of
    resources:
        mem_mb=3000,
        runtime=20,
    params:
        parameters=parameters_of,
        packages=packages_of("notebooks/lambda_grid.ipynb"),
    message:
        CELL_MESSAGE
    shell:
        RUN_CELL


rule lambda_choice_cell:
    input:
        notebook="notebooks/lambda_choice.ipynb",
        sources=sources_of("notebooks/lambda_choice.ipynb"),
        runs=runs_compared,
    output:
        **cell_files("search"),
    log:
        CELL_LOG,
    benchmark:
        CELL_BENCHMARK
    wildcard_constraints:
        study="regularization",
        protocol="corrected",
        cell="coarse|fine",
    threads: 1
    priority: priority_of
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        parameters=parameters_of,
        packages=packages_of("notebooks/lambda_choice.ipynb"),
    message:
        CELL_MESSAGE
    shell:
        RUN_CELL


rule row_order_cell:
    input:
        notebook="notebooks/row_order.ipynb",
        sources=sources_of("notebooks/row_order.ipynb"),
        data=data_of("cifar10"),
        runs=runs_compared,
    output:
        **cell_files("row_order"),
    log:
        CELL_LOG,
    benchmark:
        CELL_BENCHMARK
    wildcard_constraints:
        study="regularization",
        protocol="corrected",
        cell="row_order",
    threads: 1
    priority: priority_of
    resources:
        mem_mb=3000,
        runtime=15,
    params:
        parameters=parameters_of,
        packages=packages_of("notebooks/row_order.ipynb"),
    message:
        CELL_MESSAGE
    shell:
        RUN_CELL
