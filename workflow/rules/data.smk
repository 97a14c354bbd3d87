# Data: fetch each data set from the first source that has it, verify its content, and lay it out as arrays that every cell
# maps into memory. Cells depend on the description, whose content tells whether the data changed; the arrays only have to be
# there.

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

for dataset in ARRAYS:
    PLAN["datasets"][dataset] = {
        "destination": str(DATA / dataset),
        "local": config["data"]["local"][dataset],
        **{key: config["data"][key] for key in ("sources", "cache", "timeout", "retries")},
    }


# A change of how the content is laid out makes new arrays; how it is found does not matter, since its digest is checked. By
# digest and not as inputs, so that projects that share a folder of arrays do not make them anew for the age of a file.
PREPARING = ["src/gradlab/datasets/prepare.py", "src/gradlab/datasets/decode.py"]


def data_of(dataset):
    """The description of a data set, and its arrays whatever their age."""
    arrays = [ancient(str(DATA / dataset / f"{array}.npy")) for array in ARRAYS[dataset]]
    return [str(DATA / dataset / "dataset.json"), *arrays]


rule fashion_mnist:
    output:
        description=DATA / "fashion_mnist/dataset.json",
        arrays=[DATA / "fashion_mnist" / f"{array}.npy" for array in ARRAYS["fashion_mnist"]],
    threads: 1
    priority: FIRST
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        code=[sha256(PROJECT / file) for file in PREPARING],
    message:
        "Fetching and preparing FashionMNIST"
    shell:
        "python -m gradlab.datasets {PLAN_FILE:q} fashion_mnist"


rule cifar10:
    output:
        description=DATA / "cifar10/dataset.json",
        arrays=[DATA / "cifar10" / f"{array}.npy" for array in ARRAYS["cifar10"]],
    threads: 1
    priority: FIRST
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        code=[sha256(PROJECT / file) for file in PREPARING],
    message:
        "Fetching and preparing CIFAR-10"
    shell:
        "python -m gradlab.datasets {PLAN_FILE:q} cifar10"
