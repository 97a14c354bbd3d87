# Machines that share no files with the one that runs snakemake (`--default-storage-provider`): a storage holds the project's
# files, Snakemake copies to each machine what a job reads, and from it what a job writes. A cell finds all of it where it
# always is. Where files are shared, nothing here does anything.


def storage_path(path):
    """Where a file lies for Snakemake: in its own place or, where machines share no files, the copy of what a storage holds."""
    description = str(DATA / "fashion_mnist/dataset.json")
    return str(workflow.get_rule("fashion_mnist").output.description).removesuffix(description) + str(path)


COPIES = storage_path("")  # the folder of the copies, with the slash at its end


def bring_results():
    """On another machine: let the folders of results and data lead to the copies, and write the plan there."""
    if workflow.remote_exec and COPIES:
        for folder in {RESULTS.parts[0], DATA.parts[0]}:
            Path(COPIES, folder).mkdir(parents=True, exist_ok=True)
            if not Path(folder).exists():
                Path(folder).symlink_to(Path(COPIES, folder))
        save_json(PLAN_FILE, PLAN, sort_keys=False)
