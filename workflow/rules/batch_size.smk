# Batch sizes on FashionMNIST: a cell for each batch size, in which all seeds are trained side by side, as one stack.
#
# Published: at half of the divergent learning rate that the notebook found by eye.
# Corrected: a search cell for each batch size finds the divergent learning rate by a rule, and training is at half of that.

BATCH_SIZE = config["batch_size"]

shared = {"data": str(DATA / "fashion_mnist")}
shared |= {key: BATCH_SIZE[key] for key in ("subset_size", "hidden", "root_seed")}
schedule = {key: BATCH_SIZE[key] for key in ("passes", "seeds")}

for batch_size, learning_rate in BATCH_SIZE["learning_rates"].items():
    plan_cell(
        f"batch_size/published/{batch_size}",
        batch_size=int(batch_size),
        learning_rate=learning_rate,
        **shared,
        **schedule,
    )

for batch_size in BATCH_SIZE["corrected"]["batch_sizes"]:
    plan_cell(
        f"batch_size/corrected/search-{batch_size}",
        batch_size=batch_size,
        start=BATCH_SIZE["corrected"]["start"],
        tolerance=BATCH_SIZE["corrected"]["tolerance"],
        seeds=BATCH_SIZE["corrected"]["search_seeds"],
        device=DEVICE,
        **shared,
    )
    plan_cell(
        f"batch_size/corrected/{batch_size}",
        batch_size=batch_size,
        learning_rate=None,
        search=metrics_of(f"batch_size/corrected/search-{batch_size}"),
        device=DEVICE,
        **shared,
        **schedule,
    )


rule batch_size_cell:
    input:
        notebook="notebooks/batch_size.ipynb",
        sources=sources_of("notebooks/batch_size.ipynb"),
        data=data_of("fashion_mnist"),
        search=search_before,
    output:
        **cell_files("curves"),
    log:
        CELL_LOG,
    benchmark:
        CELL_BENCHMARK
    wildcard_constraints:
        study="batch_size",
        cell=r"\d+",
    threads: 1
    priority: priority_of
    resources:
        gpu=gpus_of,
        mem_mb=memory_of,
        runtime=20,
    params:
        parameters=parameters_of,
        packages=packages_of("notebooks/batch_size.ipynb"),
    message:
        CELL_MESSAGE
    shell:
        RUN_CELL


rule learning_rate_search_cell:
    input:
        notebook="notebooks/learning_rate_search.ipynb",
        sources=sources_of("notebooks/learning_rate_search.ipynb"),
        data=data_of("fashion_mnist"),
    output:
        **cell_files("search"),
    log:
        CELL_LOG,
    benchmark:
        CELL_BENCHMARK
    wildcard_constraints:
        study="batch_size",
        protocol="corrected",
        cell=r"search-\d+",
    threads: 1
    priority: priority_of
    resources:
        gpu=gpus_of,
        mem_mb=memory_of,
        runtime=20,
    params:
        parameters=parameters_of,
        packages=packages_of("notebooks/learning_rate_search.ipynb"),
    message:
        CELL_MESSAGE
    shell:
        RUN_CELL
