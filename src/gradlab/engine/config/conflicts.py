"""What no schema can say: places that no study may write to, and settings that are sound alone and fail together in a cell."""

import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gradlab.engine.config.faults import brief
from gradlab.engine.study import STUDIES

# Folders of the project that hold what people wrote, and what tools keep there: nothing is generated in them.
PROJECT_FOLDERS = (
    *(".ci", ".git", ".github", ".snakemake", ".venv"),
    *("config", "docs", "notebooks", "profiles", "src", "tests", "workflow"),
)
# The prepared data, shared by all studies: a folder, or a link to one.
DATA = "results/data"
# Folders that a study makes in its folder of results, and replaces as a whole.
RESULT_FOLDERS = (*STUDIES, "logs", "pages", "figures")

SEARCH_WINDOWS = 10  # into which a search for the divergent learning rate divides the updates of one pass
STACK_BYTES = 32e9  # what the seeds of a batch size, trained side by side in memory, may take
TEST_IMAGES, PIXELS = 10_000, 784  # of FashionMNIST
# Runs on CIFAR-10 train on images 0 to 9999, 5000 to 49999 and 1000 to 49999; each is a whole number of batches.
TRAINING_SIZES = (10_000, 45_000, 49_000)


def find_conflicts(config: Mapping[str, Any]) -> Iterator[str]:
    """Say which settings, each of them allowed, cannot go together."""
    yield from _find_shared_folders(config["results"], config["data"]["cache"])

    augmentation = config["augmentation"]
    if augmentation["batch_size"] > augmentation["subset_size"]:
        yield (
            f"augmentation.batch_size = {augmentation['batch_size']}: expected at most the {augmentation['subset_size']} "
            "training images of augmentation.subset_size; take a smaller batch or more images"
        )

    batches = config["batch_size"]
    images = batches["subset_size"]
    for size in batches["learning_rates"]:
        if int(size) > images:
            yield (
                f"batch_size.learning_rates.{size}: a batch of {size} is larger than the {images} training images of "
                "batch_size.subset_size; take a smaller batch or more images"
            )
    for size in batches["corrected"]["batch_sizes"]:
        if round(images / size) < SEARCH_WINDOWS:
            yield (
                f"batch_size.corrected.batch_sizes: a pass of batches of {size} over the {images} training images of "
                f"batch_size.subset_size has {round(images / size)} updates, and the search for the divergent learning rate "
                f"needs at least {SEARCH_WINDOWS}; take a smaller batch or more images"
            )
    for key, seeds in (("seeds", batches["seeds"]), ("corrected.search_seeds", batches["corrected"]["search_seeds"])):
        needed = len(seeds) * _bytes_per_seed(images, batches["hidden"])
        if needed > STACK_BYTES:
            yield (
                f"batch_size.{key}: {len(seeds)} seeds side by side, of {images} images and {batches['hidden']} hidden units, "
                f"need {needed / 1e9:.0f} GB of memory; expected at most {STACK_BYTES / 1e9:.0f} GB: take fewer seeds, a "
                "smaller subset_size or fewer hidden units"
            )

    regularization = config["regularization"]
    size = regularization["batch_size"]
    if any(count % size for count in TRAINING_SIZES):
        yield (
            f"regularization.batch_size = {size}: expected a divisor of {math.gcd(*TRAINING_SIZES)}, since every training set "
            f"({', '.join(map(str, TRAINING_SIZES))} images) is a whole number of batches; 100 is as published"
        )
    size = regularization["overfit"]["batch_size"]
    checks = {
        "regularization.overfit.images": regularization["overfit"]["images"],
        "regularization.corrected.overfit_images": regularization["corrected"]["overfit_images"],
    }
    for key, count in checks.items():
        if count % size:
            yield (
                f"{key} = {count}: expected a multiple of regularization.overfit.batch_size, which is {size}: these images "
                "are a whole number of batches; change one of the two"
            )


def _bytes_per_seed(images: int, hidden: int) -> float:
    """Return about what one seed of a batch size takes: its images, the hidden units of all of them, four sets of weights."""
    return 4.0 * (PIXELS * (images + TEST_IMAGES) + hidden * (max(images, TEST_IMAGES) + 4 * PIXELS))


def _find_shared_folders(results: str, cache: str | None) -> Iterator[str]:
    """Say where one folder is meant for two things, of which one would delete or overwrite the other."""
    if cache is None:
        return
    inside = _way(cache, start=results)
    if inside == (os.curdir,) or inside[0] in RESULT_FOLDERS:
        yield (
            f"data.cache = {brief(cache)}: a study replaces what lies there, in its folder of results, {results}; expected "
            "another folder, or null"
        )
    elif _way(results, start=cache)[0] != os.pardir:
        yield f"results = {brief(results)}: this lies in {brief(cache)}, the folder of data.cache; expected another folder"


def refuse_folder(kind: str, path: str) -> str | None:
    """Say what was expected instead of a folder to write to; None where it will do.

    Parameters
    ----------
    kind
        `results`, which lie in the project, or `data`, which may lie anywhere.
    path
        The folder; a relative one is relative to the project, which is the working directory.
    """
    example = ", such as results/mine" if kind == "results" else ""
    if kind == "results":
        if os.path.isabs(path):
            return f"a folder in the project, by its path from there{example}"
        if os.pardir in Path(path).parts:
            return f"a folder in the project, without '..'{example}"
    way = _way(path, start=os.curdir)
    if all(part in (os.curdir, os.pardir) for part in way) or _place(path) == Path(os.sep):
        return f"a folder of its own, not one that holds the project itself{example}"
    if way[0].lower() in PROJECT_FOLDERS:  # not every file system tells src from SRC
        return f"a folder of its own: {way[0]} holds the project's own files; take another one{example}"
    if _way(path, start=DATA)[0] != os.pardir:
        return f"a folder of its own: the prepared data lie in {DATA}; take another one{example}"
    place = _place(path)
    for part in (place, *place.parents):
        if os.path.isfile(part):
            return f"a folder: {brief(str(part))} is a file; take another place{example}"
    return None


def _way(path: str, *, start: str) -> tuple[str, ...]:
    """Return the parts of the way from one folder to another: `..` first where it leads out, `.` where they are the same."""
    return Path(os.path.relpath(_place(path), _place(start))).parts or (os.curdir,)


def _place(path: str) -> Path:
    return Path(os.path.abspath(os.path.expanduser(path)))
