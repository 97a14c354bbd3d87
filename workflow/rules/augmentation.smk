# Data augmentation on FashionMNIST, in the settings none, train, test and both.
#
# Published: a cell for each setting. Every cell starts where the published notebook stood when it came to this setting: it
# replays the random draws of the runs before it, without training.
#
# Corrected: a cell for each training and seed. `none` and `test` train alike, on the images as they are, and so do `train` and
# `both`: under one seed they share a network, which one cell trains and evaluates in both ways.

AUGMENTATION = config["augmentation"]
# The notebook's runs, in its order, with the passes that each took.
NOTEBOOK_RUNS = [["none", 35], ["train", 100], ["test", 30], ["both", 100]]
NOTEBOOK_ORDER = [setting for setting, _ in NOTEBOOK_RUNS]

common = {"data": str(DATA / "fashion_mnist")}
common |= {key: value for key, value in AUGMENTATION.items() if key not in ("settings", "corrected")}

for setting in AUGMENTATION["settings"]:
    plan_cell(
        f"augmentation/published/{setting}",
        setting=setting,
        earlier_runs=NOTEBOOK_RUNS[: NOTEBOOK_ORDER.index(setting)],
        **common,
    )

for seed in AUGMENTATION["corrected"]["seeds"]:
    for training in AUGMENTATION["corrected"]["trainings"]:
        plan_cell(
            f"augmentation/corrected/{training}-{seed}",
            training=training,
            seed=seed,
            root_seed=AUGMENTATION["corrected"]["root_seed"],
            evaluate_every=AUGMENTATION["corrected"]["evaluate_every"],
            device=DEVICE,
            **common,
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
    benchmark:
        CELL_BENCHMARK
    wildcard_constraints:
        study="augmentation",
        protocol="published",
        cell="|".join(NOTEBOOK_ORDER),
    threads: 1
    priority: priority_of
    resources:
        mem_mb=1500,
        runtime=60,
    params:
        parameters=parameters_of,
        packages=packages_of("notebooks/augmentation.ipynb"),
    message:
        CELL_MESSAGE
    shell:
        RUN_CELL


rule augmentation_corrected_cell:
    input:
        notebook="notebooks/augmentation_corrected.ipynb",
        sources=sources_of("notebooks/augmentation_corrected.ipynb"),
        data=data_of("fashion_mnist"),
    output:
        **cell_files("curves", "samples"),
    log:
        CELL_LOG,
    benchmark:
        CELL_BENCHMARK
    wildcard_constraints:
        study="augmentation",
        protocol="corrected",
        cell=r"(clean|augmented)-\d+",
    threads: 1
    priority: priority_of
    resources:
        gpu=gpus_of,
        mem_mb=memory_of,
        runtime=60,
    params:
        parameters=parameters_of,
        packages=packages_of("notebooks/augmentation_corrected.ipynb"),
    message:
        CELL_MESSAGE
    shell:
        RUN_CELL
