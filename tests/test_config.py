import copy
import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gradlab.config import ConfigError, check_config


@pytest.fixture(scope="module")
def schema(project):
    return project / "workflow/schemas/config.schema.yaml"


@pytest.fixture(scope="module")
def config(project):
    return yaml.safe_load((project / "config/config.yaml").read_text())


def changed(config, path, value):
    config = copy.deepcopy(config)
    *parents, last = path.split("/")
    place = config
    for parent in parents:
        place = place[parent]
    place[last] = value
    return config


def test_the_shipped_configurations_are_accepted(project, config, schema):
    check_config(config, schema)
    quick = yaml.safe_load((project / "config/quick.yaml").read_text())
    check_config(_overlaid(config, quick), schema)


def _overlaid(config, other):
    merged = dict(config)
    for key, value in other.items():
        merged[key] = _overlaid(config[key], value) if isinstance(value, dict) else value
    return merged


@pytest.mark.parametrize(
    "path, value, message",
    [
        ("unknown", 1, "(top level): unknown key unknown; allowed: augmentation, autodiff"),
        ("results", "a b", "results = 'a b'"),
        ("results", "a;rm", "results = 'a;rm'"),
        ("results", "", "results = ''"),
        ("results", 3, "results = 3: 3 is not of type 'string'"),
        ("time_limit", 0, "time_limit = 0"),
        ("time_limit", "long", "time_limit = 'long'"),
        ("data/sources", [], "data.sources = []"),
        ("data/sources", ["cache", "cache"], "non-unique"),
        (
            "data/sources",
            ["web"],
            "data.sources.0 = 'web': 'web' is not one of ['local', 'cache', 'official', 'packages']",
        ),
        ("data/cache", "", "data.cache = ''"),
        ("data/local", {}, "data.local: 'fashion_mnist' is a required property"),
        ("data/timeout", -1, "data.timeout = -1"),
        ("data/retries", 1.5, "data.retries = 1.5"),
        ("autodiff/cases", ["jumps"], "autodiff.cases.0 = 'jumps'"),
        ("autodiff/seed", -1, "autodiff.seed = -1"),
        ("augmentation/settings", ["all"], "augmentation.settings.0 = 'all': 'all' is not one of"),
        ("augmentation/settings", "none", "augmentation.settings = 'none': 'none' is not of type 'array'"),
        ("augmentation/subset_size", 60001, "augmentation.subset_size = 60001"),
        ("augmentation/batch_size", 0, "augmentation.batch_size = 0: 0 is less than the minimum of 1"),
        ("augmentation/batch_size", True, "augmentation.batch_size = True"),
        ("augmentation/batch_size", 16.5, "augmentation.batch_size = 16.5"),
        ("augmentation/learning_rate", "4e-2", "write 1.0e-5, not 1e-5"),
        ("augmentation/learning_rate", float("nan"), "augmentation.learning_rate = nan"),
        ("augmentation/learning_rate", float("inf"), "augmentation.learning_rate = inf"),
        ("augmentation/crop_scale", [0.75], "augmentation.crop_scale = [0.75]"),
        ("augmentation/crop_scale", [1.0, 0.75], "does not ascend"),
        ("augmentation/crop_scale", [0.75, 1.5], "augmentation.crop_scale.1 = 1.5"),
        ("augmentation/max_angle", 270, "augmentation.max_angle = 270"),
        ("augmentation/copies", None, "augmentation.copies = None"),
        ("batch_size/learning_rates", {0: 0.1}, "batch_size.learning_rates"),
        ("batch_size/learning_rates", {"four": 0.1}, "batch_size.learning_rates"),
        ("batch_size/learning_rates", {4: 0}, "batch_size.learning_rates.4 = 0"),
        ("batch_size/seeds", [], "batch_size.seeds = []"),
        ("batch_size/seeds", [1, 1], "batch_size.seeds = [1, 1]"),
        (
            "regularization/one_cycle/lambda",
            -1,
            "regularization.one_cycle.lambda = -1: -1 is less than the minimum of 0",
        ),
        ("regularization/one_cycle/n_s", 15, "regularization.one_cycle.n_s = 15"),
        ("regularization/overfit/images", 0, "regularization.overfit.images = 0"),
        ("regularization/corrected/seeds", [1, 1], "regularization.corrected.seeds = [1, 1]"),
        ("regularization/corrected/search_seeds", [], "regularization.corrected.search_seeds = []"),
        ("regularization/corrected/fine_points", 1, "regularization.corrected.fine_points = 1"),
        ("augmentation/corrected/trainings", ["none"], "augmentation.corrected.trainings.0 = 'none'"),
        ("augmentation/corrected/seeds", [-1], "augmentation.corrected.seeds.0 = -1"),
        ("augmentation/corrected/evaluate_every", 0, "augmentation.corrected.evaluate_every = 0"),
        ("batch_size/corrected/tolerance", 0, "batch_size.corrected.tolerance = 0"),
        ("batch_size/corrected/batch_sizes", [0], "batch_size.corrected.batch_sizes.0 = 0"),
        ("autodiff/torch_functions", 1, "autodiff.torch_functions = 1"),
        ("regularization/learning_rate", [0.1, 0.001], "does not ascend"),
        ("regularization/coarse/points", 1, "regularization.coarse.points = 1"),
        ("regularization/corrected/flip_probability", 1.1, "regularization.corrected.flip_probability = 1.1"),
    ],
)
def test_says_which_key_is_wrong_and_what_is_allowed(config, schema, path, value, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        check_config(changed(config, path, value), schema)


def test_names_every_fault_at_once(config, schema):
    twice = changed(changed(config, "augmentation/batch_size", 0), "batch_size/hidden", 0)
    with pytest.raises(ConfigError) as refused:
        check_config(twice, schema)
    assert "augmentation.batch_size" in str(refused.value)
    assert "batch_size.hidden" in str(refused.value)


def test_a_missing_key_is_named(config, schema):
    without = copy.deepcopy(config)
    del without["augmentation"]["copies"]
    with pytest.raises(ConfigError, match="augmentation: 'copies' is a required property"):
        check_config(without, schema)


@given(size=st.integers())
def test_batch_sizes_are_whole_and_positive(config, schema, size):
    candidate = changed(config, "augmentation/batch_size", size)
    if size >= 1:
        check_config(candidate, schema)
    else:
        with pytest.raises(ConfigError):
            check_config(candidate, schema)


def test_every_key_is_described(schema):
    rules = yaml.safe_load(schema.read_text())
    definitions = rules["$defs"]

    def walk(node, path):
        for key, child in node.get("properties", {}).items():
            target = child | definitions.get(child.get("$ref", "").rpartition("/")[2], {})
            nested = "properties" in target
            yield f"{path}{key}", "description" in target or nested
            yield from walk(target, f"{path}{key}.")

    top = {key: described for key, described in walk(rules, "") if key.count(".") <= 1}
    assert [key for key, described in top.items() if not described and not key.startswith("regularization")] == []
