# Data augmentation on FashionMNIST: a cell for each setting, none, train, test and both. Every cell starts where the published
# notebook stood when it came to this setting: it replays the random draws of the runs before it, without training.

# The notebook's runs, in its order, with the passes that each took.
NOTEBOOK_RUNS = [["none", 35], ["train", 100], ["test", 30], ["both", 100]]
NOTEBOOK_ORDER = [setting for setting, _ in NOTEBOOK_RUNS]
SHORTEST_FIRST = ["none", "test", "train", "both"]

for setting in config["augmentation"]["settings"]:
    plan_cell(
        f"augmentation/published/{setting}",
        setting=setting,
        data=str(DATA / "fashion_mnist"),
        earlier_runs=NOTEBOOK_RUNS[: NOTEBOOK_ORDER.index(setting)],
        **{key: value for key, value in config["augmentation"].items() if key != "settings"},
    )


rule augmentation_cell:
    input:
        notebook="notebooks/augmentation.ipynb",
        sources=sources_of("notebooks/augmentation.ipynb"),
        data=data_of("fashion_mnist"),
    output:
        **cell_files("curves", "samples"),
    log:
        CELL_LOG,
    wildcard_constraints:
        study="augmentation",
        cell="|".join(NOTEBOOK_ORDER),
    threads: 1
    # These are the longest cells of the study, `both` the longest of all: they start first.
    priority: lambda wildcards: 20 + SHORTEST_FIRST.index(wildcards.cell)
    params:
        parameters=parameters_of,
    message:
        CELL_MESSAGE
    shell:
        RUN_CELL
