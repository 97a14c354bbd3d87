# Batch sizes on FashionMNIST: a cell for each batch size, in which all seeds are trained side by side, as one stack.
#
# Published: at half of the divergent learning rate that the notebook found by eye.
# Corrected: a search cell for each batch size finds the divergent learning rate by a rule, and training is at half of that.

plan_notebook("batch_size", ["curves.svg"], mem_mb=1500, runtime=20)
plan_notebook("learning_rate_search", ["search.svg"], mem_mb=1500, runtime=20)

BATCH_SIZE = config["batch_size"]

shared = {"data": str(DATA / "fashion_mnist")}
shared |= {key: BATCH_SIZE[key] for key in ("subset_size", "hidden", "root_seed")}
schedule = {key: BATCH_SIZE[key] for key in ("passes", "seeds")}

for batch_size, learning_rate in BATCH_SIZE["learning_rates"].items():
    plan_cell(
        f"batch_size/published/{batch_size}",
        "batch_size",
        data_sets=["fashion_mnist"],
        batch_size=int(batch_size),
        learning_rate=learning_rate,
        **shared,
        **schedule,
    )

for batch_size in BATCH_SIZE["corrected"]["batch_sizes"]:
    plan_cell(
        f"batch_size/corrected/search-{batch_size}",
        "learning_rate_search",
        data_sets=["fashion_mnist"],
        batch_size=batch_size,
        start=BATCH_SIZE["corrected"]["start"],
        tolerance=BATCH_SIZE["corrected"]["tolerance"],
        seeds=BATCH_SIZE["corrected"]["search_seeds"],
        device=DEVICE,
        **shared,
    )
    plan_cell(
        f"batch_size/corrected/{batch_size}",
        "batch_size",
        data_sets=["fashion_mnist"],
        reads=[f"batch_size/corrected/search-{batch_size}"],
        batch_size=batch_size,
        learning_rate=None,
        search=metrics_of(f"batch_size/corrected/search-{batch_size}"),
        device=DEVICE,
        **shared,
        **schedule,
    )
