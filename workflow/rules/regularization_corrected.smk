# The two-layer network on CIFAR-10, corrected: the check by overfitting on the 100 images that the notebook's text means, λ chosen
# by the mean validation accuracy of several seeds, and the final network and two variants of it over more seeds, which alone
# read the test set. One more cell shows what the order of the rows, which the notebook hides, does to its search.

plan_notebook("lambda_grid", ["search.svg"], mem_mb=3000, runtime=20)
plan_notebook("lambda_choice", ["search.svg"], mem_mb=1000, runtime=10, local=True)
plan_notebook("row_order", ["row_order.svg"], mem_mb=3000, runtime=15)

CORRECTED = REGULARIZATION["corrected"]
# Curves of the final networks have four points in a rise of the learning rate: they cost as much as the training.
CURVE_POINTS = 4


def seeded(seed):
    """The parameters of a run under a seed of its own."""
    return {"seed": seed, "root_seed": CORRECTED["root_seed"]}


for seed in CORRECTED["seeds"]:
    plan_overfitting(f"corrected/overfit-{CORRECTED['overfit_images']}-{seed}", CORRECTED["overfit_images"], **seeded(seed))

for search, settings in SEARCHES.items():
    reads = [] if search == "coarse" else ["regularization/corrected/coarse"]
    grid = {"lambdas": COARSE_GRID} if search == "coarse" else {"search": metrics_of(*reads)}
    for seed in CORRECTED["search_seeds"]:
        plan_cell(
            f"regularization/corrected/{search}-{seed}",
            "lambda_grid",
            data_sets=["cifar10"],
            reads=reads,
            cell=search,
            data=str(DATA / "cifar10"),
            **SEARCH_ROWS,
            **schedule_of(settings["n_s"]),
            epochs=settings["epochs"],
            **grid,
            **seeded(seed),
        )
    runs = [f"regularization/corrected/{search}-{seed}" for seed in CORRECTED["search_seeds"]]
    plan_cell(
        f"regularization/corrected/{search}",
        "lambda_choice",
        reads=runs,
        cell=search,
        runs=list(map(metrics_of, runs)),
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
            reads=["regularization/corrected/fine"],
            search=metrics_of("regularization/corrected/fine"),
            evaluate_every=REGULARIZATION["final"]["n_s"] // CURVE_POINTS,
            **REGULARIZATION["final"],
            **seeded(seed),
            **variation,
        )

plan_cell(
    "regularization/corrected/row_order",
    "row_order",
    data_sets=["cifar10"],
    reads=PLAN["recipes"]["regularization/published/coarse"]["reads"],
    data=str(DATA / "cifar10"),
    **SEARCH_ROWS,
    **schedule_of(SEARCHES["coarse"]["n_s"]),
    epochs=SEARCHES["coarse"]["epochs"],
    runs=PLAN["cells"]["regularization/published/coarse"]["runs"],
)
