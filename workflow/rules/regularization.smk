# A two-layer network on CIFAR-10, with gradients written out by hand, as published: the check of the gradients, small runs, a
# coarse and a fine search for the penalty λ, and the final network. The corrected runs are in regularization_corrected.smk.
#
# The fine search lies around the best λ of the coarse one, and the final network takes the best λ of the fine one. These
# cells are numbered, not named by their λ, and read it from the search's result: so the job graph is known beforehand.

from gradlab.studies.regularization.search import lambda_grid

plan_notebook("gradient_check", ["errors.svg"], mem_mb=1000, runtime=10)
plan_notebook("two_layer", ["curves.svg", "learning_rate.svg", "weights.svg"], mem_mb=3000, runtime=15)
plan_notebook("lambda_search", ["search.svg"], mem_mb=1000, runtime=10, local=True)

REGULARIZATION = config["regularization"]
SEARCHES = {"coarse": REGULARIZATION["coarse"], "fine": REGULARIZATION["fine"]}
COARSE_GRID = lambda_grid(REGULARIZATION["coarse"]["points"], REGULARIZATION["coarse"]["exponents"]).tolist()

# Rows of the five training batches, half-open: a batch has 10,000.
BATCH_1, BATCH_2 = [0, 10000], [10000, 20000]
SEARCH_ROWS = {"train_rows": [5000, 50000], "validation_rows": [0, 5000]}
FINAL_ROWS = {"train_rows": [1000, 50000], "validation_rows": [0, 1000]}
OVERFIT_VALIDATION_ROWS = [100, 150]


def schedule_of(n_s):
    """Batch size and cyclical learning rate of a run whose rate rises for `n_s` updates."""
    eta_min, eta_max = REGULARIZATION["learning_rate"]
    return {"batch_size": REGULARIZATION["batch_size"], "eta_min": eta_min, "eta_max": eta_max, "n_s": n_s}


def plan_training(name, *, cell, n_s, reads=(), **parameters):
    """Plan one run of the two-layer network; without further notice its curves have ten points in `n_s` updates."""
    common = {"data": str(DATA / "cifar10"), "cell": cell, "evaluate_every": n_s // 10}
    parameters = common | schedule_of(n_s) | parameters
    plan_cell(f"regularization/{name}", "two_layer", data_sets=["cifar10"], reads=reads, **parameters)


def plan_overfitting(name, images, **parameters):
    """Plan a run on a handful of images of the first batch, at a constant learning rate and without penalty."""
    settings = REGULARIZATION["overfit"]
    plan_training(
        name,
        cell=f"overfit-{images}",
        train_rows=[0, images],
        validation_rows=OVERFIT_VALIDATION_ROWS,
        epochs=settings["epochs"],
        batch_size=settings["batch_size"],
        lmbda=0.0,
        n_s=500,
        eta_min=settings["learning_rate"],
        eta_max=settings["learning_rate"],
        test=False,
        **parameters,
    )


check = REGULARIZATION["gradient_check"]
plan_cell(
    "regularization/published/gradient_check",
    "gradient_check",
    data_sets=["cifar10"],
    data=str(DATA / "cifar10"),
    rows=[0, check["images"]],
    lmbda=check["lambda"],
    step=check["step"],
)

plan_overfitting(f"published/overfit-{REGULARIZATION['overfit']['images']}", REGULARIZATION["overfit"]["images"])

# The notebook shuffles a training set in place: `three_cycles` starts from the order of rows that `one_cycle` left, and each
# run of the searches from the one that the run before it left.
cycle_epochs = []
for cell in ("one_cycle", "three_cycles"):
    settings = REGULARIZATION[cell]
    plan_training(
        f"published/{cell}",
        cell=cell,
        train_rows=BATCH_1,
        validation_rows=BATCH_2,
        lmbda=settings["lambda"],
        n_s=settings["n_s"],
        epochs=settings["epochs"],
        earlier_epochs=list(cycle_epochs),
    )
    cycle_epochs.append(settings["epochs"])

search_epochs = []
for search, settings in SEARCHES.items():
    for point in range(settings["points"]):
        if search == "coarse":
            penalty = {"lmbda": COARSE_GRID[point]}
        else:
            coarse = "regularization/published/coarse"
            penalty = {"reads": [coarse], "lmbda": None, "search": metrics_of(coarse), "search_index": point}
        plan_training(
            f"published/{search}-{point}",
            cell=f"{search}-{point}",
            **SEARCH_ROWS,
            **penalty,
            n_s=settings["n_s"],
            epochs=settings["epochs"],
            earlier_epochs=list(search_epochs),
            test=False,
        )
        search_epochs.append(settings["epochs"])
    runs = [f"regularization/published/{search}-{point}" for point in range(settings["points"])]
    plan_cell(
        f"regularization/published/{search}",
        "lambda_search",
        reads=runs,
        cell=search,
        runs=list(map(metrics_of, runs)),
        refined_points=REGULARIZATION["fine"]["points"],
    )

plan_training(
    "published/final",
    cell="final",
    **FINAL_ROWS,
    lmbda=None,
    reads=["regularization/published/fine"],
    search=metrics_of("regularization/published/fine"),
    **REGULARIZATION["final"],
)
