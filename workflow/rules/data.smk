# Data: fetch each data set from the first source that has it, verify its content, and lay it out as arrays that every cell
# maps into memory. The manifest beside them tells whether they were laid out as they would be now.

from functools import cache

ARRAYS = {
    "fashion_mnist": ["train_images", "train_labels", "test_images", "test_labels"],
    "cifar10": [
        "train_images",
        "train_images_float32",
        "train_labels",
        "test_images",
        "test_images_float32",
        "test_labels",
    ],
}
TITLES = {"fashion_mnist": "FashionMNIST", "cifar10": "CIFAR-10"}

for dataset in ARRAYS:
    PLAN["datasets"][dataset] = {
        "destination": str(DATA / dataset),
        "local": config["data"]["local"][dataset],
        **{key: config["data"][key] for key in ("sources", "cache", "timeout", "retries")},
    }


# The digests of the code that lays the content out: a change of it makes new arrays.
PREPARED_BY = {file: sha256(PROJECT / file) for file in PREPARING}


def data_of(dataset):
    """The description of a data set, its arrays, and its manifest."""
    return [str(DATA / dataset / file) for file in ("dataset.json", *(f"{array}.npy" for array in ARRAYS[dataset]), "manifest.json")]


@cache
def is_outdated(dataset):
    """Tell whether a data set is not there, or was prepared by other code than there is."""
    try:
        manifest = read_manifest(DATA / dataset / "manifest.json")
    except ValueError:
        manifest = None
    return manifest is None or manifest["inputs"] != PREPARED_BY


def check_prepared(dataset):
    """Have a data set prepared anew where it is outdated."""

    def check(wildcards):
        if is_outdated(dataset):
            run_again(*data_of(dataset))
        return []

    return check


for dataset in ARRAYS:

    rule:
        name:
            dataset
        input:
            check_prepared(dataset),
        output:
            data_of(dataset),
        threads: 1
        priority: FIRST
        resources:
            mem_mb=1000,
            runtime=30,
        localrule: True
        params:
            dataset=dataset,
        message:
            f"Fetching and preparing {TITLES[dataset]}"
        shell:
            "{PYTHON} gradlab.data {PLAN_FILE:q} {params.dataset:q}"
