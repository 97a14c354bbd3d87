# A two-layer network on CIFAR-10, with gradients written out by hand: the check of the gradients, small runs, a coarse and a
# fine search for the penalty λ, the final network and two variants of it.
#
# The fine search lies around the best λ of the coarse one, and the final network takes the best λ of the fine one. These
# cells are numbered, not named by their λ, and read it from the search's result: so the job graph is known beforehand.

from gradlab.twolayer import lambda_grid

REGULARIZATION = config["regularization"]
SEARCHES = {"coarse": REGULARIZATION["coarse"], "fine": REGULARIZATION["fine"]}

# Rows of the five training batches, half-open: a batch has 10,000.
BATCH_1, BATCH_2 = [0, 10000], [10000, 20000]
SEARCH_ROWS = {"train_rows": [5000, 50000], "validation_rows": [0, 5000]}
FINAL_ROWS = {"train_rows": [1000, 50000], "validation_rows": [0, 1000]}


def plan_training(cell, *, n_s, **parameters):
    """Plan one run of the two-layer network under the cyclical learning rate, with ten points of its curves in every n_s."""
    eta_min, eta_max = REGULARIZATION["learning_rate"]
    common = {"batch_size": REGULARIZATION["batch_size"], "eta_min": eta_min, "eta_max": eta_max, "evaluate_every": n_s // 10}
    plan_cell(f"regularization/published/{cell}", cell=cell, data=str(DATA / "cifar10"), n_s=n_s, **common | parameters)


def search_metrics(search):
    """What the coarse or the fine search found."""
    return str(RESULTS / "regularization/published" / search / "metrics.json")


def search_before(wildcards):
    """The search whose result a cell reads its λ from."""
    return parameters_of(wildcards).get("search") or []


def runs_of_search(wildcards):
    """The results of the runs that a search compares."""
    return parameters_of(wildcards).get("runs", [])


check = REGULARIZATION["gradient_check"]
plan_cell(
    "regularization/published/gradient_check",
    data=str(DATA / "cifar10"),
    rows=[0, check["images"]],
    lmbda=check["lambda"],
    step=check["step"],
)

overfit = REGULARIZATION["overfit"]
for images in overfit["images"]:
    plan_training(
        f"overfit-{images}",
        train_rows=[0, images],
        validation_rows=[100, 150],
        epochs=overfit["epochs"],
        batch_size=overfit["batch_size"],
        lmbda=0.0,
        n_s=500,
        eta_min=overfit["learning_rate"],
        eta_max=overfit["learning_rate"],
        test=False,
    )

# The notebook shuffles a training set in place: `three_cycles` starts from the order of rows that `one_cycle` left, and each
# run of the searches from the one that the run before it left.
cycle_epochs = []
for cell in ("one_cycle", "three_cycles"):
    settings = REGULARIZATION[cell]
    plan_training(
        cell,
        train_rows=BATCH_1,
        validation_rows=BATCH_2,
        lmbda=settings["lambda"],
        n_s=settings["n_s"],
        epochs=settings["epochs"],
        earlier_epochs=list(cycle_epochs),
    )
    cycle_epochs.append(settings["epochs"])

coarse_grid = lambda_grid(REGULARIZATION["coarse"]["points"], REGULARIZATION["coarse"]["exponents"]).tolist()
search_epochs = []
for search, settings in SEARCHES.items():
    for point in range(settings["points"]):
        if search == "coarse":
            penalty = {"lmbda": coarse_grid[point]}
        else:
            penalty = {"lmbda": None, "search": search_metrics("coarse"), "search_index": point}
        plan_training(
            f"{search}-{point}",
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
        runs=[search_metrics(f"{search}-{point}") for point in range(settings["points"])],
        refined_points=REGULARIZATION["fine"]["points"],
    )

for cell, variation in {
    "final": {},
    "variant-flips": {"flip_probability": REGULARIZATION["variants"]["flip_probability"]},
    "variant-binary_cross_entropy": {"loss": "binary_cross_entropy"},
}.items():
    plan_training(cell, **FINAL_ROWS, lmbda=None, search=search_metrics("fine"), **REGULARIZATION["final"], **variation)


rule gradient_check_cell:
    input:
        notebook="notebooks/gradient_check.ipynb",
        sources=sources_of("notebooks/gradient_check.ipynb"),
        data=data_of("cifar10"),
    output:
        **cell_files("errors"),
    log:
        CELL_LOG,
    wildcard_constraints:
        study="regularization",
        cell="gradient_check",
    threads: 1
    params:
        parameters=parameters_of,
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
    wildcard_constraints:
        study="regularization",
        cell=r"overfit-\d+|one_cycle|three_cycles|coarse-\d+|fine-\d+|final|variant-\w+",
    threads: 1
    # The coarse runs hold up the fine ones, and these the final network.
    priority: 15
    params:
        parameters=parameters_of,
    message:
        CELL_MESSAGE
    shell:
        RUN_CELL


rule lambda_search_cell:
    input:
        notebook="notebooks/lambda_search.ipynb",
        sources=sources_of("notebooks/lambda_search.ipynb"),
        runs=runs_of_search,
    output:
        **cell_files("search"),
    log:
        CELL_LOG,
    wildcard_constraints:
        study="regularization",
        cell="coarse|fine",
    threads: 1
    params:
        parameters=parameters_of,
    message:
        CELL_MESSAGE
    shell:
        RUN_CELL
