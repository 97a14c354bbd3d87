# Data: fetch each data set, verify its content, and lay it out as arrays that every cell maps into memory.


def data_of(dataset):
    """The description of a data set, its arrays, and its manifest."""
    return [str(DATA / dataset / file) for file in DATASETS[dataset].files]


def check_prepared(dataset, wildcards):
    """Have a data set prepared anew where it is not there, or was prepared by other code than there is."""
    start_guest()
    if dataset in RUN.outdated_data:
        run_again(*data_of(dataset))
    return []


for dataset, about in DATASETS.items():

    rule:
        name:
            dataset
        input:
            partial(check_prepared, dataset),
        output:
            data_of(dataset),
        priority: 1_000_000  # nearly all cells wait for it; the priority of a cell is a time in seconds
        localrule: True
        resources:
            mem_mb=1000,
            runtime=30,
        params:
            dataset=dataset,
            gradlab=GRADLAB,
            plan=PLAN_FILE,
        message:
            f"Fetching and preparing {about.title}"
        shell:
            "{params.gradlab} data {params.plan:q} {params.dataset:q}"
