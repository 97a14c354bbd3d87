# Batch sizes on FashionMNIST: a cell for each batch size, at half of the divergent learning rate that the notebook found by
# eye. All seeds of a cell are trained side by side, as one stack.

for batch_size, learning_rate in config["batch_size"]["learning_rates"].items():
    plan_cell(
        f"batch_size/published/{batch_size}",
        batch_size=int(batch_size),
        learning_rate=learning_rate,
        data=str(DATA / "fashion_mnist"),
        **{key: value for key, value in config["batch_size"].items() if key != "learning_rates"},
    )


rule batch_size_cell:
    input:
        notebook="notebooks/batch_size.ipynb",
        sources=sources_of("notebooks/batch_size.ipynb"),
        data=data_of("fashion_mnist"),
    output:
        **cell_files("curves"),
    log:
        CELL_LOG,
    wildcard_constraints:
        study="batch_size",
    threads: 1
    priority: 10
    params:
        parameters=parameters_of,
    message:
        CELL_MESSAGE
    shell:
        RUN_CELL
