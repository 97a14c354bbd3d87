# Data augmentation on FashionMNIST, in the settings none, train, test and both.
#
# Published: a cell for each setting. Every cell starts where the published notebook stood when it came to this setting: it
# replays the random draws of the runs before it, without training.
#
# Corrected: a cell for each training and seed. `none` and `test` train alike, on the images as they are, and so do `train` and
# `both`: under one seed they share a network, which one cell trains and evaluates in both ways.

plan_notebook("augmentation", ["curves.svg", "samples.svg"], mem_mb=1500, runtime=60)
plan_notebook("augmentation_corrected", ["curves.svg", "samples.svg"], mem_mb=1500, runtime=60)

AUGMENTATION = config["augmentation"]
# The notebook's runs, in its order, with the passes that each took.
NOTEBOOK_RUNS = [["none", 35], ["train", 100], ["test", 30], ["both", 100]]
NOTEBOOK_ORDER = [setting for setting, _ in NOTEBOOK_RUNS]

common = {"data": str(DATA / "fashion_mnist")}
common |= {key: value for key, value in AUGMENTATION.items() if key not in ("settings", "corrected")}

for setting in AUGMENTATION["settings"]:
    plan_cell(
        f"augmentation/published/{setting}",
        "augmentation",
        data_sets=["fashion_mnist"],
        setting=setting,
        earlier_runs=NOTEBOOK_RUNS[: NOTEBOOK_ORDER.index(setting)],
        **common,
    )

for seed in AUGMENTATION["corrected"]["seeds"]:
    for training in AUGMENTATION["corrected"]["trainings"]:
        plan_cell(
            f"augmentation/corrected/{training}-{seed}",
            "augmentation_corrected",
            data_sets=["fashion_mnist"],
            training=training,
            seed=seed,
            root_seed=AUGMENTATION["corrected"]["root_seed"],
            evaluate_every=AUGMENTATION["corrected"]["evaluate_every"],
            device=DEVICE,
            **common,
        )
