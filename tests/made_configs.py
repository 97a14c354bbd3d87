"""Configurations: some that have to be refused, and what the refusal says, and a strategy that makes sound ones."""

from typing import Any

from hypothesis import strategies as st

# Laid over config/config.yaml: what each kind of mistake looks like in a file of one's own, and a piece of the message.
CONFIGS = {
    # Keys
    "unknown key": ("unknown: 1", "(top level): unknown key unknown; allowed: augmentation, autodiff"),
    "misspelt key": ("regularisation: {}", "unknown key regularisation; did you mean regularization?"),
    "key with points": ("augmentation.batch_size: 3", "indented, under 'augmentation:'; allowed"),
    "key in the wrong block": (
        "regularization: {seeds: [1]}",
        "regularization: unknown key seeds; allowed: batch_size",
    ),
    "key of a number": ("1: 2", "(top level): unknown key 1; allowed"),
    "block without keys": (
        "augmentation:",
        "augmentation = null: expected keys with values; a key without a value is null",
    ),
    "key without a value": (
        "augmentation: {copies: }",
        "augmentation.copies = null: expected a whole number; a key without",
    ),
    "value for a block": ("batch_size: 16", "batch_size = 16: expected keys with values"),
    # Paths
    "path with a space": ("results: a b", "results = 'a b': expected a path of letters, digits"),
    "path that is empty": ("results: ''", "results = '': expected a path of letters"),
    "path that is a number": ("results: 3", "results = 3: expected text; write it in quotes"),
    "path that is a date": ("results: 2024-01-01", "results = 2024-01-01: expected text; write it in quotes"),
    "path with a line break": ('results: "results\\n"', "results = 'results\\n': expected a path of letters"),
    "path too long": (f"results: {'x' * 201}", "expected at most 200 characters; it has 201"),
    "path that is absolute": ("results: /etc", "results = '/etc': expected a folder in the project"),
    "path that leads out": ("results: results/../../x", "expected a folder in the project, without '..'"),
    "the project itself": ("results: .", "results = '.': expected a folder of its own, not one that holds the project"),
    "results in .git": ("results: .git/x", "expected a folder of its own: .git holds the project's own files"),
    "results over sources": ("results: src", "expected a folder of its own: src holds the project's own files"),
    "results over notebooks": ("results: ./NOTEBOOKS/x", "NOTEBOOKS holds the project's own files"),
    "results over a file": ("results: Snakefile", "Snakefile' is a file; take another place"),
    "results over data": (
        "results: results/data",
        "expected a folder of its own: the prepared data lie in results/data",
    ),
    "cache over sources": ("data: {cache: src}", "data.cache = 'src': expected a folder of its own: src holds"),
    "cache over data": (
        "data: {cache: results/data/x}",
        "data.cache = 'results/data/x': expected a folder of its own: the prep",
    ),
    "cache over results": (
        "data: {cache: results/pages}",
        "data.cache = 'results/pages': a study replaces what lies there",
    ),
    "results in the cache": (
        "{results: a/b, data: {cache: a}}",
        "results = 'a/b': this lies in 'a', the folder of data.cache",
    ),
    # Text that a shell would run
    "command in results": ("results: $(touch pwned)", "results = '$(touch pwned)': expected a path of letters"),
    "semicolon in results": ("results: ; touch pwned", "results = '; touch pwned': expected a path of letters"),
    "backticks in results": ("results: '`touch pwned`'", "results = '`touch pwned`': expected a path of letters"),
    "braces in results": ("results: '{input}'", "results = '{input}': expected a path of letters"),
    "command in the cache": ("data: {cache: $(touch pwned)}", "data.cache = '$(touch pwned)': expected a path without"),
    "semicolon in a local path": (
        "data: {local: {cifar10: '/x; touch pwned'}}",
        "data.local.cifar10 = '/x; touch pwned': expected a path without line breaks",
    ),
    "line break in a local path": (
        'data: {local: {fashion_mnist: "a\\ntouch pwned"}}',
        "data.local.fashion_mnist = 'a\\ntouch pwned': expected a path without",
    ),
    "command in a source": (
        "data: {sources: ['; touch pwned']}",
        "data.sources.0 = '; touch pwned': expected one of local, ",
    ),
    "command in a case": (
        "autodiff: {cases: ['$(touch pwned)']}",
        "autodiff.cases.0 = '$(touch pwned)': expected one of jump",
    ),
    "command in a setting": (
        "augmentation: {settings: ['`touch pwned`']}",
        "'`touch pwned`': expected one of none, train",
    ),
    "command in a training": (
        "augmentation: {corrected: {trainings: [; touch pwned]}}",
        "expected one of clean, augmented",
    ),
    "command in a batch size": (
        "batch_size: {learning_rates: {'1; touch pwned': 0.1}}",
        "batch_size.learning_rates: '1; touch pwned' is not allowed as a key; expected a batch size",
    ),
    "line break in a batch size": ('batch_size: {learning_rates: {"3\\n": 0.1}}', "'3\\n' is not allowed as a key"),
    # Types
    "text for a number": ("time_limit: long", "time_limit = 'long': expected a number or null"),
    "number in quotes": (
        "augmentation: {copies: '8'}",
        "augmentation.copies = '8': expected a whole number; this is text",
    ),
    "exponent without a point": ("augmentation: {learning_rate: 4e-2}", "write 4.0e-2, not 4e-2"),
    "exponent without a sign": ("augmentation: {learning_rate: 1.5e2}", "write 1.5e+2, not 1.5e2"),
    "not whole": ("augmentation: {batch_size: 16.5}", "augmentation.batch_size = 16.5: expected a whole number"),
    "whole, with a point": ("augmentation: {batch_size: 16.0}", "batch_size = 16.0: expected a whole number; write 16"),
    "true for a number": (
        "augmentation: {batch_size: true}",
        "augmentation.batch_size = true: expected a whole number",
    ),
    "number for true": ("autodiff: {torch_functions: 1}", "autodiff.torch_functions = 1: expected true or false"),
    "value for a list": ("augmentation: {settings: none}", "augmentation.settings = 'none': expected a list"),
    "list for a value": ("augmentation: {max_angle: [10]}", "augmentation.max_angle = [10]: expected a number"),
    "not a number": (
        "augmentation: {learning_rate: .nan}",
        "augmentation.learning_rate = nan: expected a number; this one is not",
    ),
    "infinity": (
        "augmentation: {learning_rate: .inf}",
        "augmentation.learning_rate = inf: expected a number; this one is not",
    ),
    # Ranges
    "time limit of nothing": ("time_limit: 0", "time_limit = 0: expected at least 1"),
    "device that is none": ("device: gpu", "device = 'gpu': expected one of auto, cpu, cuda"),
    "time limit too short": ("time_limit: 0.001", "time_limit = 0.001: expected at least 1"),
    "time limit too long": ("time_limit: 1.0e+300", "time_limit = 1e+300: expected at most 31536000"),
    "number of 400 digits": (
        f"time_limit: {'9' * 400}",
        "time_limit = a number of more than 20 digits: expected a number or null",
    ),
    "negative timeout": ("data: {timeout: -1}", "data.timeout = -1: expected more than 0"),
    "too many retries": ("data: {retries: 1000}", "data.retries = 1000: expected at most 20"),
    "negative seed": ("autodiff: {seed: -1}", "autodiff.seed = -1: expected at least 0"),
    "seed of 33 bits": (
        "regularization: {corrected: {root_seed: 4294967296}}",
        "root_seed = 4294967296: expected at most 4294967295",
    ),
    "subset larger than the data": (
        "augmentation: {subset_size: 60001}",
        "augmentation.subset_size = 60001: expected at most 60000",
    ),
    "batch of nothing": (
        "augmentation: {batch_size: 0}",
        "augmentation.batch_size = 0: expected at least 1 (Images in one update",
    ),
    "angle too large": ("augmentation: {max_angle: 270}", "augmentation.max_angle = 270: expected at most 180"),
    "crop larger than the image": (
        "augmentation: {crop_scale: [0.75, 1.5]}",
        "augmentation.crop_scale.1 = 1.5: expected at most 1",
    ),
    "crop of no pixel": (
        "augmentation: {crop_scale: [1.0e-9, 1]}",
        "augmentation.crop_scale.0 = 1e-09: expected at least 0.01",
    ),
    "copies that fill the memory": (
        "augmentation: {copies: 1000000000}",
        "augmentation.copies = 1000000000: expected at most 1000",
    ),
    "passes for ever": (
        "batch_size: {passes: 1000000000000}",
        "batch_size.passes = 1000000000000: expected at most 100000",
    ),
    "evaluations never": (
        "augmentation: {corrected: {evaluate_every: 0}}",
        "corrected.evaluate_every = 0: expected at least 1",
    ),
    "learning rate of nothing": (
        "batch_size: {learning_rates: {4: 0}}",
        "batch_size.learning_rates.4 = 0: expected more than 0",
    ),
    "batch size in words": (
        "batch_size: {learning_rates: {four: 0.1}}",
        "batch_size.learning_rates: 'four' is not allowed as a key",
    ),
    "batch size of nothing": (
        "batch_size: {learning_rates: {0: 0.1}}",
        "batch_size.learning_rates: '0' is not allowed as a key",
    ),
    "tolerance that is never met": (
        "batch_size: {corrected: {tolerance: 1.0e-9}}",
        "tolerance = 1e-09: expected at least 1e-06",
    ),
    "start that never diverges": (
        "batch_size: {corrected: {start: 1.0e-30}}",
        "corrected.start = 1e-30: expected at least 1e-06",
    ),
    "negative penalty": (
        "regularization: {one_cycle: {lambda: -1}}",
        "regularization.one_cycle.lambda = -1: expected at least 0",
    ),
    "n_s that ten does not divide": (
        "regularization: {final: {n_s: 15}}",
        "regularization.final.n_s = 15: expected a multiple of 10",
    ),
    "too few points": (
        "regularization: {coarse: {points: 1}}",
        "regularization.coarse.points = 1: expected at least 2",
    ),
    "points without end": (
        "regularization: {fine: {points: 1000000000}}",
        "regularization.fine.points = 1000000000: expected at most 200",
    ),
    "power of ten too large": (
        "regularization: {coarse: {exponents: [-5, 400]}}",
        "coarse.exponents.1 = 400: expected at most 3",
    ),
    "more images than validation leaves": (
        "regularization: {overfit: {images: 110}}",
        "overfit.images = 110: expected at most 100",
    ),
    "images that fill the memory": (
        "regularization: {gradient_check: {images: 10000}}",
        "images = 10000: expected at most 1000",
    ),
    "probability above one": (
        "regularization: {corrected: {flip_probability: 1.1}}",
        "flip_probability = 1.1: expected at most 1",
    ),
    # Lists
    "no seeds": ("batch_size: {seeds: []}", "batch_size.seeds = []: expected at least one value"),
    "no sources": ("data: {sources: []}", "data.sources = []: expected at least one value"),
    "seed twice": (
        "regularization: {corrected: {seeds: [1, 1]}}",
        "regularization.corrected.seeds = [1, 1]: expected every value once",
    ),
    "case twice": ("autodiff: {cases: [jump, jump]}", "autodiff.cases = ['jump', 'jump']: expected every value once"),
    "a thousand seeds and one": (
        f"batch_size: {{seeds: {list(range(10001))}}}",
        "expected at most 10000 values; it has 10001",
    ),
    "half a pair": (
        "augmentation: {crop_scale: [0.75]}",
        "augmentation.crop_scale = [0.75]: expected at least 2 values",
    ),
    "more than a pair": (
        "augmentation: {crop_ratio: [1, 2, 3]}",
        "augmentation.crop_ratio = [1, 2, 3]: expected at most 2 values",
    ),
    "descending pair": (
        "augmentation: {crop_scale: [1.0, 0.75]}",
        "crop_scale = [1.0, 0.75]: expected the smaller number first",
    ),
    "equal exponents": (
        "regularization: {coarse: {exponents: [-3, -3]}}",
        "exponents = [-3, -3]: expected two different numbers",
    ),
    # Settings that are sound alone
    "batch larger than the subset": (
        "augmentation: {subset_size: 10}",
        "augmentation.batch_size = 16: expected at most the 10 training images of augmentation.subset_size",
    ),
    "batch size larger than the subset": (
        "batch_size: {learning_rates: {6001: 0.1}}",
        "batch_size.learning_rates.6001: a batch of 6001 is larger than the 6000 training images",
    ),
    "pass too short for a search": (
        "batch_size: {subset_size: 100}",
        "batches of 16 over the 100 training images of batch_size.subset_size has 6 updates",
    ),
    "seeds that fill the memory": (
        f"batch_size: {{seeds: {list(range(200))}, subset_size: 60000}}",
        "batch_size.seeds: 200 seeds side by side, of 60000 images and 64 hidden units, need 47 GB of memory",
    ),
    "hidden units that fill the memory": (
        f"batch_size: {{hidden: 10000, corrected: {{search_seeds: {list(range(70))}}}}}",
        "batch_size.corrected.search_seeds: 70 seeds side by side",
    ),
    "batch that does not divide": (
        "regularization: {batch_size: 300}",
        "regularization.batch_size = 300: expected a divisor of 1000",
    ),
    "overfitting batch that does not divide": (
        "regularization: {overfit: {batch_size: 7}}",
        "regularization.overfit.images = 20: expected a multiple of regularization.overfit.batch_size, which is 7",
    ),
    "overfitting images of another batch": (
        "regularization: {corrected: {overfit_images: 25}}",
        "regularization.corrected.overfit_images = 25: expected a multiple of regularization.overfit.batch_size, which is 10",
    ),
    "key as number and as text": (
        "batch_size: {learning_rates: {'1': 0.1}}",
        "batch_size.learning_rates.1: this key is there 2 times, as a number and as text; write it as a number, in YAML",
    ),
    "nested too deep": (f"data: {'{a: ' * 30}1{'}' * 30}", "more than 20 levels, one in another"),
}

# Files that snakemake does not hand to the workflow, or takes for something else than they say.
FILES = {
    "indented with tabs": (b"augmentation:\n\tcopies: 8\n", "line 2, column 1: this is not YAML"),
    "bracket left open": (b"autodiff: {cases: [jump\n", "line 2, column 1: this is not YAML"),
    "quote left open": (b"results: 'a\n", "line 2, column 1: this is not YAML"),
    "two documents": (b"results: a\n---\nresults: b\n", "this is not YAML"),
    "unknown tag": (
        b"results: !!python/object/apply:os.system ['touch pwned']\n",
        "line 1, column 10: this is not YAML",
    ),
    "undefined alias": (b"results: *nowhere\n", "line 1, column 10: this is not YAML"),
    "list": (b"- results\n- data\n", "holds ['results', 'data']; expected keys with values"),
    "text": (b"results\n", "holds 'results'; expected keys with values"),
    "empty": (b"", "holds nothing; expected keys with values, such as 'results: results/mine'"),
    "comment alone": (b"# later\n", "holds nothing; expected keys with values"),
    "key twice": (
        b"results: a\ntime_limit: 9\nresults: b\n",
        "line 3: the key 'results' is in line 1 already; write it once",
    ),
    "inner key twice": (b"data:\n  retries: 1\n  'retries': 2\n", "line 3: the key 'retries' is in line 2 already"),
    "batch size twice": (
        b"batch_size: {learning_rates: {1: 0.1, '1': 0.2}}\n",
        "line 1: the key '1' is in line 1 already",
    ),
    "key twice in JSON": (b'{"results": "a", "results": "b"}', "the key 'results' is there 2 times; write it once"),
    "not UTF-8": (
        b"time_limit: 5\nresults: caf\xe9\n",
        "line 2: this is not UTF-8 text; save the file in the encoding UTF-8",
    ),
    "UTF-16": ("results: a\n".encode("utf-16"), "line 1: this is not UTF-8 text"),
    "control character": (b"results: a\x07b\n", "this is not YAML that can be read"),
    "month that is none": (b"results: 2024-13-01\n", "this is not YAML that can be read (month must be in 1..12)"),
    "number of 5,000 digits": (
        b"time_limit: " + b"9" * 5000 + b"\n",
        "this is not YAML that can be read (Exceeds the limit",
    ),
    "brackets without end": (b"results: " + b"[" * 5000, "this is not YAML"),
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
                "evaluate_every": whole(1, 100_000),
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
                "batch_sizes": draw(st.lists(st.integers(1, stacked // 10), max_size=4, unique=True)),
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
