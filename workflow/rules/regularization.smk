# A two-layer network on CIFAR-10, with gradients written out by hand, as published: the check of the gradients, small runs, a
# coarse and a fine search for the penalty λ, and the final network. The corrected runs are in regularization_corrected.smk.
#
# The fine search lies around the best λ of the coarse one, and the final network takes the best λ of the fine one. These
# cells are numbered, not named by their λ, and read it from the search's result: so the job graph is known beforehand.

from gradlab.search import lambda_grid

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


def plan_training(name, *, cell, n_s, **parameters):
    """Plan one run of the two-layer network; without further notice its curves have ten points in `n_s` updates."""
    common = {"data": str(DATA / "cifar10"), "cell": cell, "evaluate_every": n_s // 10}
    plan_cell(f"regularization/{name}", **common | schedule_of(n_s) | parameters)


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
            penalty = {"lmbda": None, "search": metrics_of("regularization/published/coarse"), "search_index": point}
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
    plan_cell(
        f"regularization/published/{search}",
        cell=search,
        runs=[metrics_of(f"regularization/published/{search}-{point}") for point in range(settings["points"])],
        refined_points=REGULARIZATION["fine"]["points"],
    )

plan_training(
    "published/final",
    cell="final",
    **FINAL_ROWS,
    lmbda=None,
    search=metrics_of("regularization/published/fine"),
    **REGULARIZATION["final"],
)


rule gradient_check_cell:
    input:
        notebook="notebooks/gradient_check.ipynb",
        sources=sources_of("notebooks/gradient_check.ipynb"),
        data=data_of("cifar10"),
    output:
        **cell_files("errors"),
    log:
        CELL_LOG,
    benchmark:
        CELL_BENCHMARK
    wildcard_constraints:
        study="regularization",
        protocol="published",
        cell="gradient_check",
    threads: 1
    priority: priority_of
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        parameters=parameters_of,
        packages=packages_of("notebooks/gradient_check.ipynb"),
    message:
        CELL_MESSAGE
    shell:
        RUN_CELL


rule two_layer_cell:
    input:
        notebook="notebooks/two_layer.ipynb",
        sources=sources_of("notebooks/two_layer.ipynb"),
        data=data_of("cifar10"),
        search=search_before,
    output:
        **cell_files("curves", "learning_rate", "weights"),
    log:
        CELL_LOG,
    benchmark:
        CELL_BENCHMARK
    wildcard_constraints:
        study="regularization",
        protocol="published",
        cell=r"one_cycle|three_cycles|coarse-\d+|fine-\d+|final",
    threads: 1
    priority: priority_of
    resources:
        mem_mb=3000,
        runtime=15,
    params:
        parameters=parameters_of,
        packages=packages_of("notebooks/two_layer.ipynb"),
    message:
        CELL_MESSAGE
    shell:
        RUN_CELL


use rule two_layer_cell as overfit_cell with:
    wildcard_constraints:
        study="regularization",
        cell=r"overfit-\d+(-\d+)?",


rule lambda_search_cell:
    input:
        notebook="notebooks/lambda_search.ipynb",
        sources=sources_of("notebooks/lambda_search.ipynb"),
        runs=runs_compared,
    output:
        **cell_files("search"),
    log:
        CELL_LOG,
    benchmark:
        CELL_BENCHMARK
    wildcard_constraints:
        study="regularization",
        protocol="published",
        cell="coarse|fine",
    threads: 1
    priority: priority_of
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        parameters=parameters_of,
        packages=packages_of("notebooks/lambda_search.ipynb"),
    message:
        CELL_MESSAGE
    shell:
        RUN_CELL
