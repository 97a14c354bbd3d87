"""Configurations: some that have to be refused, and what the refusal says, and a strategy that makes sound ones."""

from typing import Any

from hypothesis import strategies as st

# Laid over config/config.yaml: each kind of mistake as it looks in a file of one's own, and a piece of the message.
_TABLE = r"""
# Keys
unknown: 1 -> (top level): unknown key unknown; allowed: augmentation, autodiff
regularisation: {} -> unknown key regularisation; did you mean regularization?
augmentation.batch_size: 3 -> indented, under 'augmentation:'; allowed
regularization: {seeds: [1]} -> regularization: unknown key seeds; allowed: batch_size
1: 2 -> (top level): unknown key 1; allowed
augmentation: -> augmentation = null: expected keys with values; a key without a value is null
augmentation: {copies: } -> augmentation.copies = null: expected a whole number; a key without
batch_size: 16 -> batch_size = 16: expected keys with values
batch_size: {learning_rates: {four: 0.1}} -> batch_size.learning_rates: 'four' is not allowed as a key; expected a batch size
batch_size: {learning_rates: {0: 0.1}} -> batch_size.learning_rates: '0' is not allowed as a key
batch_size: {learning_rates: {"3\n": 0.1}} -> '3\n' is not allowed as a key
batch_size: {learning_rates: {'1': 0.1}} -> learning_rates.1: this key is there 2 times, as a number and as text; write it as a
studies: {autodif: false} -> studies: unknown key autodif; did you mean autodiff? allowed: augmentation, autodiff
studies: [autodiff] -> studies = ['autodiff']: expected keys with values (Whether each study is on
studies: {autodiff: 1} -> studies.autodiff = 1: expected true or false (Edge cases
packages: [] -> packages = []: expected at least one value
packages: [a-b] -> packages.0 = 'a-b': expected the name of a package, or the path of a folder
packages: [./a-b] -> packages.0 = './a-b': expected the name of a package, or the path of a folder
packages: gradlab.studies -> packages = 'gradlab.studies': expected a list
# Folders
results: a b -> results = 'a b': expected a path of letters, digits
results: 3 -> results = 3: expected text; write it in quotes
results: 2024-01-01 -> results = 2024-01-01: expected text; write it in quotes
results: on -> results = true: expected text; write it in quotes
results: "results\n" -> results = 'results\n': expected a path of letters
results: /etc -> results = '/etc': expected a folder in the project
results: results/../../x -> expected a folder in the project, without '..'
results: . -> results = '.': expected a folder of its own, not one that holds the project
results: .git/x -> expected a folder of its own: .git holds the project's own files
results: ./NOTEBOOKS/x -> NOTEBOOKS holds the project's own files
results: Snakefile -> Snakefile' is a file; take another place
results: results/data -> expected a folder of its own: the prepared data lie in results/data
data: {cache: src} -> data.cache = 'src': expected a folder of its own: src holds
data: {cache: results/data/x} -> data.cache = 'results/data/x': expected a folder of its own: the prep
data: {cache: results/pages} -> data.cache = 'results/pages': a study replaces what lies there
{results: a/b, data: {cache: a}} -> results = 'a/b': this lies in 'a', the folder of data.cache
# Text that is meant as null
results: '' -> results = '': expected a path, such as results/mine
results: None -> results = 'None': expected a path, such as results/mine
data: {cache: 'null'} -> data.cache = 'null': expected a path, or null: write null without quotes
data: {cache: none} -> data.cache = 'none': expected a path, or null: write null without quotes
data: {cache: ''} -> data.cache = '': expected a path, or null: write null without quotes
data: {local: {cifar10: '~'}} -> data.local.cifar10 = '~': expected a path, or null: write null without quotes
data: {local: {fashion_mnist: 'NULL'}} -> data.local.fashion_mnist = 'NULL': expected a path, or null: write null without
time_limit: 'null' -> time_limit = 'null': expected a number or null; this is text: write it without quotes
# Text that no file can hold: half a character
results: "caf\udce9" -> results: 'caf\udce9' is not text in UTF-8 ('\udce9' is no character); write another name
data: {cache: "caf\udce9"} -> data.cache: 'caf\udce9' is not text in UTF-8
data: {sources: ["\ud800"]} -> data.sources: '\ud800' is not text in UTF-8
device: "\udfff" -> device: '\udfff' is not text in UTF-8
"caf\udce9": 1 -> (top level): 'caf\udce9' is not text in UTF-8
batch_size: {learning_rates: {"\udce9": 1}} -> batch_size.learning_rates: '\udce9' is not text in UTF-8
# Text that a shell would run
results: $(touch pwned) -> results = '$(touch pwned)': expected a path of letters
results: '{input}' -> results = '{input}': expected a path of letters
data: {cache: $(touch pwned)} -> data.cache = '$(touch pwned)': expected a path without
data: {local: {cifar10: '/x; touch pwned'}} -> data.local.cifar10 = '/x; touch pwned': expected a path without line breaks
data: {local: {fashion_mnist: "a\ntouch pwned"}} -> data.local.fashion_mnist = 'a\ntouch pwned': expected a path without
data: {sources: ['; touch pwned']} -> data.sources.0 = '; touch pwned': expected 'local', 'cache'
batch_size: {learning_rates: {'1; touch pwned': 0.1}} -> batch_size.learning_rates: '1; touch pwned' is not allowed as a key
# Types
time_limit: long -> time_limit = 'long': expected a number or null
augmentation: {copies: '8'} -> augmentation.copies = '8': expected a whole number; this is text
augmentation: {copies: 08} -> augmentation.copies = '08': expected a whole number; write 8
augmentation: {learning_rate: 4e-2} -> write 4.0e-2, not 4e-2
augmentation: {learning_rate: 1.5e2} -> write 1.5e+2, not 1.5e2
augmentation: {batch_size: 16.5} -> augmentation.batch_size = 16.5: expected a whole number
augmentation: {batch_size: 16.0} -> batch_size = 16.0: expected a whole number; write 16
augmentation: {batch_size: yes} -> augmentation.batch_size = true: expected a whole number
autodiff: {torch_functions: 1} -> autodiff.torch_functions = 1: expected true or false
augmentation: {settings: none} -> augmentation.settings = 'none': expected a list
augmentation: {settings: [off]} -> augmentation.settings.0 = false: expected 'none', 'train'
augmentation: {max_angle: [10]} -> augmentation.max_angle = [10]: expected a number
augmentation: {learning_rate: .nan} -> augmentation.learning_rate = nan: expected a number; this one is not
# Ranges; test_config.py has those of every key
device: gpu -> device = 'gpu': expected 'auto', 'cpu' or 'cuda'
time_limit: 0 -> time_limit = 0: expected at least 1
time_limit: 1.0e+300 -> time_limit = 1e+300: expected at most 31536000
data: {timeout: -1} -> data.timeout = -1: expected more than 0
augmentation: {batch_size: 0} -> augmentation.batch_size = 0: expected at least 1 (Images in one update
augmentation: {crop_scale: [0.75, 1.5]} -> augmentation.crop_scale.1 = 1.5: expected at most 1
regularization: {final: {n_s: 15}} -> regularization.final.n_s = 15: expected a multiple of 10
# Lists
batch_size: {seeds: []} -> batch_size.seeds = []: expected at least one value
autodiff: {cases: [jump, jump]} -> autodiff.cases = ['jump', 'jump']: expected every value once
augmentation: {crop_scale: [0.75]} -> augmentation.crop_scale = [0.75]: expected at least 2 values
augmentation: {crop_ratio: [1, 2, 3]} -> augmentation.crop_ratio = [1, 2, 3]: expected at most 2 values
augmentation: {crop_scale: [1.0, 0.75]} -> crop_scale = [1.0, 0.75]: expected the smaller number first
regularization: {coarse: {exponents: [-3, -3]}} -> exponents = [-3, -3]: expected two different numbers
# Settings that are sound alone
augmentation: {subset_size: 10} -> augmentation.batch_size = 16: expected at most the 10 training images of augmentation.
batch_size: {learning_rates: {6001: 0.1}} -> batch_size.learning_rates.6001: a batch of 6001 is larger than the 6000 training
batch_size: {subset_size: 100} -> batches of 16 over the 100 training images of batch_size.subset_size has 6 updates
regularization: {batch_size: 300} -> regularization.batch_size = 300: expected a divisor of 1000
regularization: {overfit: {batch_size: 7}} -> regularization.overfit.images = 20: expected a multiple of regularization.overfit
regularization: {corrected: {overfit_images: 25}} -> regularization.corrected.overfit_images = 25: expected a multiple of
"""
CONFIGS = dict(line.split(" -> ") for line in _TABLE.strip().splitlines() if not line.startswith("#"))
CONFIGS |= {
    f"results: {'x' * 201}": "expected at most 200 characters; it has 201",
    f"batch_size: {{seeds: {list(range(10001))}}}": "expected at most 10000 values; it has 10001",
    f"batch_size: {{seeds: {list(range(200))}, subset_size: 60000}}": (
        "batch_size.seeds: 200 seeds side by side, of 60000 images and 64 hidden units, need 47 GB of memory"
    ),
    f"batch_size: {{hidden: 10000, corrected: {{search_seeds: {list(range(70))}}}}}": (
        "batch_size.corrected.search_seeds: 70 seeds side by side"
    ),
    f"data: {'{a: ' * 30}1{'}' * 30}": "more than 20 levels, one in another",
}

# Files that snakemake does not hand to the workflow, or takes for something else than they say.
FILES = {
    b"augmentation:\n\tcopies: 8\n": "line 2, column 1: this is not YAML",  # indented with a tab
    b"autodiff: {cases: [jump\n": "line 2, column 1: this is not YAML",
    b"results: 'a\n": "line 2, column 1: this is not YAML",
    b"results: a\n---\nresults: b\n": "this is not YAML",
    b"results: !!python/object/apply:os.system ['touch pwned']\n": "line 1, column 10: this is not YAML",
    b"results: *nowhere\n": "line 1, column 10: this is not YAML",
    b"- results\n- data\n": "holds ['results', 'data']; expected keys with values",
    b"results\n": "holds 'results'; expected keys with values",
    b"": "holds nothing; expected keys with values, such as 'results: results/mine'",
    b"# later\n": "holds nothing; expected keys with values",
    b"results: a\ntime_limit: 9\nresults: b\n": "line 3: the key 'results' is in line 1 already; write it once",
    b"data:\n  retries: 1\n  'retries': 2\n": "line 3: the key 'retries' is in line 2 already",
    b"batch_size: {learning_rates: {1: 0.1, '1': 0.2}}\n": "line 1: the key '1' is in line 1 already",
    b"batch_size:\n  learning_rates:\n    16: 0.1\n    0x10: 0.2\n": "line 4: the key '0x10' is in line 3 already",
    b'{"results": "a", "results": "b"}': "the key 'results' is there 2 times; write it once",
    b"time_limit: 5\nresults: caf\xe9\n": "line 2: this is not UTF-8 text; save the file in the encoding UTF-8",
    "results: a\n".encode("utf-16"): "line 1: this is not UTF-8 text",
    b"results: a\x07b\n": "this is not YAML that can be read",
    b"results: 2024-13-01\n": "this is not YAML that can be read (month must be in 1..12)",
    b"time_limit: 0x" + b"f" * 5000: "line 1: 0xffffffffffffffffff… has more than 4,000 digits; write a smaller number",
    b"time_limit: " + b"9" * 5000: "this is not YAML that can be read (Exceeds the limit",
    b"results: " + b"[" * 1000: "this is not YAML",
    # Numbers that YAML 1.1 reads as others than they look like
    b"autodiff:\n  seed: 010\n": (
        "line 2: 010 is read as 8, since to YAML a leading 0 means base 8; write 10, or 8 where that is meant"
    ),
    b"autodiff: {seed: -0_17}\n": "line 1: -0_17 is read as -15, since to YAML a leading 0 means base 8; write -17, or -15",
    b"batch_size: {learning_rates: {010: 0.1}}\n": "line 1: 010 is read as 8",
    b"time_limit: 1:30\n": (
        "line 1: 1:30 is read as 90, since to YAML a colon between digits means base 60; write 90, or '1:30' in quotes"
    ),
    b"data:\n  timeout: 1:30.5\n": "line 2: 1:30.5 is read as 90.5",
    b"batch_size: {seeds: [1, 2:00]}\n": "line 1: 2:00 is read as 120",
    b"autodiff: {seed: !!int '010'}\n": "line 1: 010 is read as 8",
}


@st.composite
def sound_configs(draw: st.DrawFn) -> dict[str, Any]:
    """Whole configurations, as varied as the table of keys in config/README.md allows."""

    def whole(low: int, high: int) -> int:
        return draw(st.integers(low, high))

    def number(low: float, high: float) -> float:
        return draw(st.floats(low, high))

    def some(*values: Any, least: int = 0) -> list[Any]:
        return draw(st.lists(st.sampled_from(values), min_size=least, unique=True))

    def pair(low: float, high: float) -> list[float]:
        return sorted([number(low, high), number(low, high)])

    def seeds() -> list[int]:
        return draw(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=3, unique=True))

    def rise() -> dict[str, int]:
        return {"n_s": 10 * whole(1, 100), "epochs": whole(1, 100)}

    def training() -> dict[str, float]:
        return {"lambda": number(0, 1000), **rise()}

    augmented, stacked, overfitted = whole(2, 60_000), whole(10, 60_000), whole(1, 10)
    low, high = draw(st.lists(st.integers(-20, 3), min_size=2, max_size=2, unique=True).map(sorted))
    return {
        "results": draw(st.from_regex(r"results/(?!data)[A-Za-z0-9_-]{1,20}", fullmatch=True)),
        "time_limit": draw(st.none() | st.floats(1, 31_536_000)),
        "device": draw(st.sampled_from(["auto", "cpu", "cuda"])),
        "data": {
            "sources": some("local", "cache", "official", "packages", least=1),
            "cache": draw(st.sampled_from([None, "~/a cache", "/var/cache/gradlab", "../shared"])),
            "local": {"fashion_mnist": draw(st.sampled_from([None, "/mnt/o'neil (old)"])), "cifar10": None},
            "timeout": number(0.1, 3600),
            "retries": whole(0, 20),
        },
        "studies": {name: draw(st.booleans()) for name in ("autodiff", "augmentation", "batch_size", "regularization")},
        "packages": ["gradlab.studies"],
        "autodiff": {
            "cases": some("jump", "power", "halving", "step"),
            "seed": whole(0, 2**32 - 1),
            "torch_functions": draw(st.booleans()),
        },
        "augmentation": {
            "settings": some("none", "train", "test", "both"),
            "subset_size": augmented,
            "batch_size": whole(1, min(augmented, 10_000)),
            "learning_rate": number(1e-9, 1000),
            "max_passes": whole(1, 100_000),
            "copies": whole(1, 1000),
            "crop_scale": pair(0.01, 1),
            "crop_ratio": pair(0.01, 100),
            "max_angle": number(0, 180),
            "corrected": {
                "trainings": some("clean", "augmented"),
                "root_seed": whole(0, 2**32 - 1),
                "seeds": seeds(),
                "copies": whole(1, 1000),
                "evaluate_every": whole(1, 100_000),
                "average_from": number(0, 0.99),
            },
        },
        "batch_size": {
            "learning_rates": draw(st.dictionaries(st.integers(1, stacked), st.floats(1e-9, 1000), max_size=4)),
            "subset_size": stacked,
            "hidden": whole(1, 10_000),
            "passes": whole(1, 100_000),
            "root_seed": whole(0, 2**32 - 1),
            "seeds": seeds(),
            "corrected": {
                # A search needs a pass of ten updates.
                **{
                    key: draw(st.lists(st.integers(1, stacked // 10), max_size=4, unique=True))
                    for key in ("batch_sizes", "search_only")
                },
                "search_seeds": seeds(),
                "start": number(1e-6, 1000),
                "tolerance": number(1e-6, 1),
            },
        },
        "regularization": {
            "gradient_check": {"images": whole(1, 1000), "lambda": number(0, 1000), "step": number(1e-12, 1)},
            "overfit": {
                "images": overfitted * whole(1, 10),
                "epochs": whole(1, 1000),
                "batch_size": overfitted,
                "learning_rate": number(1e-9, 1000),
            },
            "batch_size": draw(st.sampled_from([1, 2, 4, 5, 8, 10, 20, 25, 40, 50, 100, 125, 200, 250, 500, 1000])),
            "learning_rate": pair(1e-9, 1000),
            "one_cycle": training(),
            "three_cycles": training(),
            "coarse": {"points": whole(2, 5), "exponents": [low, high], **rise()},
            "fine": {"points": whole(2, 5), **rise()},
            "final": rise(),
            "corrected": {
                "root_seed": whole(0, 2**32 - 1),
                "seeds": seeds(),
                "search_seeds": seeds(),
                "fine_points": whole(2, 200),
                "overfit_images": overfitted * whole(1, 10),
                "flip_probability": number(0, 1),
            },
        },
    }
