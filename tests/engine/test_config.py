"""Configurations that are refused and accepted, file by file and key by key.

`tests/workflow/test_bad_input.py` gives some of them to the command line of snakemake.
"""

import json
import math
import re
import subprocess
import sys
from functools import partial

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_configs import CONFIGS, FILES, sound_configs

from gradlab.data.identity import SPECS
from gradlab.engine.config import ConfigError, Settings, check_config, check_files, lay_over, read_config, read_packages
from gradlab.engine.config.command import main
from gradlab.engine.config.document import document
from gradlab.engine.config.keys import PROJECT_FOLDERS, Local
from gradlab.engine.study import Study, discover


@pytest.fixture(scope="module")
def studies():
    return discover()


@pytest.fixture(scope="module")
def config(project):
    """The shipped configuration, but for studies that have no rules below: they test their own."""
    whole = yaml.safe_load((project / "config/config.yaml").read_text())
    whole["studies"] = {name: on for name, on in whole["studies"].items() if name in RULES}
    return {key: value for key, value in whole.items() if key in RULES}


@pytest.fixture(autouse=True)
def in_the_project(project, monkeypatch):
    monkeypatch.chdir(project)  # relative paths of a configuration are relative to it


@pytest.fixture(scope="module")
def refusal(studies):
    """A function that returns the message with which a configuration is refused, None where it is accepted."""

    def check(config):
        try:
            assert isinstance(check_config(config, studies), Settings)
        except ConfigError as error:
            return str(error)
        return None

    return check


def test_config_yaml_shows_every_key_with_its_default(project, studies):
    config = yaml.safe_load((project / "config/config.yaml").read_text())
    checked = check_config({}, studies)
    shown = checked.model_dump(exclude={"sections"})
    shown |= {name: section.model_dump(by_alias=True) for name, section in checked.sections.items()}
    assert shown == config


def test_the_readme_is_what_the_models_say(project):
    page = document([project / "config/config.yaml"])
    command = "gradlab config config/config.yaml --page > config/README.md"
    assert page == (project / "config/README.md").read_text(), command
    assert not re.search(r"\| (\(.*\))?\.? \|$", page, re.MULTILINE), "a key without a description"


def test_studies_are_in_the_order_of_their_switches_and_then_by_name(studies):
    studies = {name: studies[name] for name in ("batch_size", "autodiff", "augmentation", "regularization")}
    checked = check_config({"studies": {"regularization": True, "batch_size": False}}, studies)
    assert list(checked.sections) == ["regularization", "augmentation", "autodiff"]
    assert checked.studies == {"regularization": True, "batch_size": False, "augmentation": True, "autodiff": True}
    with pytest.raises(ConfigError, match=r"batch_size\.hidden = 0"):  # although it is off
        check_config({"studies": {"batch_size": False}, "batch_size": {"hidden": 0}}, studies)


def test_settings_cannot_be_changed_by_accident(studies):
    checked = check_config({"data": {"retries": 3}, "regularization": {"final": {"epochs": 4}}}, studies)
    assert (checked.data.retries, checked.sections["regularization"].final.epochs) == (3, 4)
    for block in (checked, checked.data, checked.sections["regularization"].final):
        with pytest.raises(ValueError, match="frozen"):
            block.epochs = 1


def test_a_study_with_the_name_of_a_key_or_of_a_folder_of_results_is_refused(studies):
    for name in ("data", "logs"):
        with pytest.raises(ConfigError, match=f"the study {name} .* rename it"):
            check_config({}, studies | {name: Study("", "", "", "", name=name)})


def test_a_study_of_ones_own_is_checked_and_described_like_any_other(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))  # which is lengthened by the folder
    study = tmp_path / "own_studies/copy"  # a name that no field of pydantic can have
    study.mkdir(parents=True)
    (study / "__init__.py").touch()
    (study / "study.py").write_text(
        "from gradlab.engine.study import Study\nSTUDY = Study(title='Title', short='T', question='Why?', source='S')\n"
    )
    (study / "config.py").write_text(
        "from pydantic import BaseModel, Field, field_validator, model_validator\n"
        "class Config(BaseModel):\n"
        "    size: int = Field(2, ge=1, description='How large.')\n"
        "    name: str = 'a'\n"
        "    @field_validator('name')\n"
        "    def check(cls, name):\n"
        "        if name == 'b': raise ValueError('b is taken')\n"
        "        return name\n"
        "    @model_validator(mode='after')\n"
        "    def check_both(self):\n"
        "        if self.size > 3: raise ValueError('too large for it')\n"
        "        return self\n"
    )
    mine = tmp_path / "my.yaml"
    mine.write_text(f"packages: [{study.parent}/]\nstudies: {{copy: on}}\ncopy: {{size: 3}}\n")
    settings, found = check_files([mine])
    assert settings.sections["copy"].size == 3
    assert "### `copy`\n\nTitle (S). Why?" in (page := document([mine]))
    assert "| `size` | `2` | How large (at least 1). |\n| `name` | `a` |  |\n" in page
    for section, message in {
        "{size: 0}": "copy.size = 0: expected at least 1 (How large)",
        "{size: x}": "copy.size = 'x': expected a valid integer",
        "{name: b}": "copy.name = 'b': b is taken",
        "{size: 4}": "copy = {'size': 4}: too large for it",
    }.items():
        with pytest.raises(ConfigError, match=re.escape(message)):
            check_config({"copy": yaml.safe_load(section)}, found)


def test_nothing_heavy_is_imported_to_check_a_configuration():
    check = "import gradlab.engine.config as c, sys; c.check_files(['config/config.yaml']); print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-P", "-c", check], capture_output=True, text=True, check=True)
    assert not {"numpy", "pandas", "scipy", "torch", "requests", "jsonschema"} & set(ran.stdout.split())


def test_packages_are_read_before_studies_are_known():
    assert read_packages({"unknown": 1}) == ("gradlab.studies",)
    assert read_packages({"packages": ["gradlab.studies", "~/mine"]}) == ("gradlab.studies", "~/mine")
    with pytest.raises(ConfigError, match=r"packages = null: expected a list"):
        read_packages({"packages": None})


def test_a_fault_is_shown_with_the_line_where_its_key_stands(tmp_path, studies):
    base, mine, other = (tmp_path / name for name in ("base.yaml", "my.yaml", "other.json"))
    base.write_text("time_limit: 0\nresults: a\naugmentation:\n  copies: 0\n  batch_size: 99\n")
    mine.write_text("augmentation:\n  copies: x\n  corrected:\n    seeds:\n      - 1\n      - a\n")
    other.write_text('{"data": {\n"retires": 2},\n"augmentation": {"subset_size": 50}}')
    files = (base, mine, other)
    config = {}
    for file in files:
        config = lay_over(config, read_config(file))
    config |= {"results": "/b", "device": "gpu"}  # on the command line
    with pytest.raises(ConfigError) as refused:
        check_config(config, studies, files=files)
    places = {
        line.split()[0]: re.search(r"(?: \[(.*), line (\d+)\])?$", line).groups()
        for line in str(refused.value).splitlines()[1:]
    }
    assert places == {
        "results": (None, None),
        "time_limit": (str(base), "1"),
        "device": (None, None),
        "data:": (str(other), "2"),
        "augmentation.copies": (str(mine), "2"),
        "augmentation.corrected.seeds.1": (str(mine), "6"),
    }
    sound = lay_over(
        config,
        {
            "results": "r",
            "device": "cpu",
            "time_limit": None,
            "augmentation": {"copies": 1, "corrected": {"seeds": [1]}},
        },
    )
    del sound["data"]
    with pytest.raises(ConfigError, match=rf"batch_size = 99: .* \[{re.escape(str(base))}, line 5\]$"):
        check_config(sound, studies, files=files)


def test_the_shipped_configurations_are_accepted(project, config, refusal):
    assert refusal(config) is None
    assert refusal(lay_over(config, read_config(project / "config/quick.yaml"))) is None


@pytest.mark.parametrize("overlay, message", CONFIGS.items(), ids=lambda text: text[:50])
def test_says_which_key_is_wrong_and_what_is_allowed(config, refusal, overlay, message):
    said = refusal(lay_over(config, yaml.safe_load(overlay)))
    assert said and message in said
    assert_is_a_short_paragraph(said)


def assert_is_a_short_paragraph(message):
    lines = message.splitlines()
    assert all(line.strip() for line in lines), "a blank line"
    assert all(len(line) <= 700 for line in lines)
    assert len(lines) <= 22
    assert message.isprintable() or "\n" in message
    assert all(line.isprintable() for line in lines)
    assert "Traceback" not in message


def test_names_every_fault_at_once(refusal):
    said = refusal({"augmentation": {"batch_size": 0}, "batch_size": {"hidden": 0}})
    assert "augmentation.batch_size" in said
    assert "batch_size.hidden" in said


def test_lists_no_more_faults_than_a_person_reads(refusal):
    said = refusal(at("batch_size/seeds", [f"a{number}" for number in range(1000)]))
    assert len(said.splitlines()) == 22
    assert said.endswith("and 980 more")


@pytest.mark.parametrize(
    "value",
    ["x" * 1_000_000, "\n" * 1000, 10**4000, -(10**25), ["a" * 10_000] * 1000, {"k" * 1_000_000: 1}, b"\x00" * 9999],
    ids=["text", "line breaks", "4,000 digits", "negative", "list", "key", "bytes"],
)
@pytest.mark.parametrize(
    "path", ["results", "time_limit", "data/cache", "batch_size/seeds", "batch_size/learning_rates/4"]
)
def test_a_huge_value_is_abbreviated(refusal, path, value):
    said = refusal(at(path, value))
    assert path.replace("/", ".") in said
    assert_is_a_short_paragraph(said)


@pytest.mark.parametrize(
    "key",
    ["x" * 1_000_000, "a\n\nb", 10**4000, None, 1.5, "\x1b[31m"],
    ids=["text", "blank line", "4,000 digits", "null", "not whole", "colour of a terminal"],
)
def test_a_strange_key_is_abbreviated(refusal, key):
    for path in ("", "batch_size/learning_rates"):
        assert_is_a_short_paragraph(refusal(at(path, {key: 0.1})))


def test_a_value_that_holds_itself_and_one_that_multiplies_are_refused(refusal):
    circle = {}
    circle["data"] = circle
    laughs = ["ha"] * 10
    for _ in range(9):
        laughs = [laughs] * 10
    for value in (circle, laughs):
        said = refusal({"data": value})
        assert "more than 100000 values, or more than 20 levels" in said
        assert_is_a_short_paragraph(said)


def test_a_number_and_its_text_are_one_key(refusal):
    said = refusal(at("batch_size/learning_rates", {4: 0.1, "4": 0.1}))
    assert "batch_size.learning_rates.4: this key is there 2 times" in said


# --- a rule for every key, written by hand ---


def whole(low, high=math.inf):
    return lambda value: type(value) is int and low <= value <= high


def number(low, high, *, open_below=False):
    def allows(value):
        return type(value) in (int, float) and (low < value if open_below else low <= value) and value <= high

    return allows


def many(allows, least=0, most=math.inf):
    """A list of values that are all different."""

    def check(value):
        if type(value) is not list or not least <= len(value) <= most:
            return False
        return all(map(allows, value)) and len({(type(item), item) for item in value}) == len(value)

    return check


def pair(allows, ascends):
    return lambda value: type(value) is list and len(value) == 2 and all(map(allows, value)) and ascends(*value)


def some(*names):
    return many(lambda item: isinstance(item, str) and item in names)


def place(value):
    return value in (None, "results/mine", "/etc", "jump")


def switch(value):
    return type(value) is bool


def is_package(value):
    return type(value) is str and (value == "results/mine" or all(part.isidentifier() for part in value.split(".")))


def rates(value):
    if type(value) is not dict or any(type(size) not in (int, str) for size in value):
        return False
    sizes = [str(size) for size in value]
    return (
        len(set(sizes)) == len(sizes)
        and all(re.fullmatch(r"[1-9][0-9]{0,3}", size) and int(size) <= 6000 for size in sizes)
        and all(map(number(0, 1000, open_below=True), value.values()))
    )


SEED, SEEDS = whole(0, 2**32 - 1), many(whole(0, 2**32 - 1), 1, 1000)
RATE = number(0, 1000, open_below=True)
RISE = {"n_s": lambda value: whole(10, 1_000_000)(value) and value % 10 == 0, "epochs": whole(1, 100_000)}
POINTS = whole(2, 200)
TRAINING = RISE | {"lambda": number(0, 1000)}

# What each key of config/config.yaml may be while all others are as they stand there.
RULES = {
    "results": lambda value: (
        isinstance(value, str) and re.fullmatch(r"results(/[a-z]{1,9})?", value) and value != "results/data"
    ),
    "time_limit": lambda value: value is None or number(1, 365 * 24 * 3600)(value),
    "device": lambda value: value in ("auto", "cpu", "cuda"),
    "rounding": lambda value: value in (None, "sse4", "avx2", "avx512"),
    "data": {
        "sources": many(lambda item: item in ("local", "cache", "official", "packages"), least=1),
        "cache": place,
        "local": {"fashion_mnist": place, "cifar10": place},
        "timeout": number(0, 3600, open_below=True),
        "retries": whole(0, 20),
    },
    "studies": dict.fromkeys(["autodiff", "augmentation", "batch_size", "regularization"], switch),
    "packages": many(is_package, least=1),
    "autodiff": {
        "cases": some("jump", "power", "halving", "step"),
        "seed": SEED,
        "torch_functions": switch,
    },
    "augmentation": {
        "settings": some("none", "train", "test", "both"),
        "subset_size": whole(16, 60_000),  # a batch is 16
        "batch_size": whole(1, 7200),  # the images of the subset
        "learning_rate": RATE,
        "max_passes": whole(1, 100_000),
        "copies": whole(1, 1000),
        "crop_scale": pair(number(0.01, 1), lambda low, high: low <= high),
        "crop_ratio": pair(number(0.01, 100), lambda low, high: low <= high),
        "max_angle": number(0, 180),
        "corrected": {
            "trainings": some("clean", "augmented"),
            "root_seed": SEED,
            "seeds": SEEDS,
            "copies": whole(1, 1000),
            "evaluate_every": whole(1, 100_000),
            "average_from": number(0, 0.99),
        },
    },
    "batch_size": {
        "learning_rates": rates,
        "subset_size": whole(2432, 60_000),  # a search needs 10 updates: 2,431 images make 9.496 batches of 256
        "hidden": whole(1, 10_000),
        "passes": whole(1, 100_000),
        "root_seed": SEED,
        "seeds": SEEDS,
        "corrected": {
            "batch_sizes": many(whole(1, 631), most=1000),  # 6000 images make 9.51 batches of 631, and 9.49 of 632
            "search_only": many(whole(1, 631), most=1000),
            "search_seeds": SEEDS,
            "start": number(1e-6, 1000),
            "tolerance": number(1e-6, 1),
        },
    },
    "regularization": {
        "gradient_check": {"images": whole(1, 1000), "lambda": number(0, 1000), "step": number(1e-12, 1)},
        "overfit": {
            "images": lambda value: value in range(10, 101, 10) and type(value) is int,
            "epochs": whole(1, 100_000),
            "batch_size": lambda value: value in (1, 2, 4, 5, 10, 20) and type(value) is int,
            "learning_rate": RATE,
        },
        "batch_size": lambda value: whole(1, 1000)(value) and 1000 % value == 0,
        "learning_rate": pair(RATE, lambda low, high: low <= high),
        "one_cycle": TRAINING,
        "three_cycles": TRAINING,
        "coarse": RISE | {"points": POINTS, "exponents": pair(number(-20, 3), lambda low, high: low < high)},
        "fine": RISE | {"points": POINTS},
        "final": RISE,
        "corrected": {
            "root_seed": SEED,
            "seeds": SEEDS,
            "search_seeds": SEEDS,
            "fine_points": POINTS,
            "overfit_images": lambda value: value in range(10, 101, 10) and type(value) is int,
            "flip_probability": number(0, 1),
        },
    },
}


def leaves(node, path=()):
    for key, inner in node.items():
        if isinstance(inner, dict) and key != "learning_rates":
            yield from leaves(inner, (*path, key))
        else:
            yield "/".join((*path, key)), inner


LEAVES = dict(leaves(RULES))
BLOCKS = sorted({path.rsplit("/", up)[0] if up <= path.count("/") else "" for path in LEAVES for up in (1, 2, 3)})


def at(path, value):
    """A configuration with one key."""
    for part in reversed(path.split("/") if path else []):
        value = {part: value}
    return value


def test_every_key_has_a_rule(config):
    values = dict(leaves(config))
    assert values.keys() == LEAVES.keys()
    assert all(LEAVES[path](value) for path, value in values.items())


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-10, 1000),
    st.integers(),
    st.floats(),
    st.floats(0, 2),
    st.sampled_from([0, 1, 1e-6, 0.01, 1.0, 16.0, 1000, 10**30, 2**32, 60_000, 60_001, 100_001, math.inf, math.nan]),
    st.sampled_from(
        "1e-5|results/mine|results/data|/etc|..|$(touch pwned)|; rm|a\nb|none|jump||é|caf\udce9".split("|")
    ),
    st.text(max_size=20),
    st.dates(),
    st.binary(max_size=5),
)
VALUES = st.one_of(
    SCALARS,
    st.lists(SCALARS, max_size=4),
    st.lists(st.integers(0, 200), max_size=5),
    st.lists(st.floats(0.001, 1), min_size=2, max_size=2),
    st.lists(st.sampled_from(["none", "train", "test", "clean", "cache", "local", "jump", "step"]), max_size=3),
    st.dictionaries(st.one_of(st.integers(0, 7000), st.text(max_size=3)), SCALARS, max_size=3),
)
hurried = partial(settings, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def is_sure(path, value):
    """Whether the rule above knows: of places it knows plain names alone."""
    return (
        not (path == "results" or "cache" in path or "local" in path or path == "packages")
        or not (isinstance(value, str) or (isinstance(value, list) and any("/" in str(item) for item in value)))
        or LEAVES[path](value)
    )


@hurried(max_examples=200)
@given(path=st.sampled_from(sorted(LEAVES)), value=VALUES)
def test_another_value_is_accepted_where_its_rule_allows_it_and_else_refused_by_its_name(refusal, path, value):
    said = refusal(at(path, value))
    if said is None:
        assert LEAVES[path](value) or not is_sure(path, value)
    else:
        assert not LEAVES[path](value), said
        assert path.replace("/", ".") in said
        assert_is_a_short_paragraph(said)


@hurried(max_examples=100)
@given(block=st.sampled_from(BLOCKS), key=st.text() | st.integers() | st.booleans() | st.none(), value=VALUES)
def test_an_unknown_key_is_named_with_its_place(refusal, block, key, value):
    if key not in {path.removeprefix(f"{block}/").split("/")[0] for path in LEAVES}:
        said = refusal(at(block, {key: value}))
        place = block.replace("/", ".") or "(top level)"
        assert f"{place}: unknown key " in said or "is not text in UTF-8" in said
        assert_is_a_short_paragraph(said)


@hurried(max_examples=50)
@given(sound=sound_configs())
def test_whatever_keeps_the_rules_is_accepted(refusal, sound):
    assert refusal(sound) is None


# --- files ---


@pytest.mark.parametrize("content, message", FILES.items(), ids=lambda text: repr(text[:30]))
def test_a_file_that_is_no_configuration_is_refused_with_its_name_and_line(tmp_path, content, message):
    file = tmp_path / "bad.yaml"
    file.write_bytes(content)
    with pytest.raises(ConfigError) as refused:
        read_config(file)
    assert str(file) in str(refused.value)
    assert message in str(refused.value)
    assert_is_a_short_paragraph(str(refused.value))


@pytest.mark.parametrize(
    "written, number",
    [("+1", 1), ("007", 7), ("1_000", 1000), ("0x10", 16), ("0b11", 3), ("0", 0), ("-0.5", -0.5), ("010.5", 10.5)],
)
def test_a_number_that_is_what_it_looks_like_is_read(tmp_path, written, number):
    (tmp_path / "my.yaml").write_text(f"time_limit: {written}\nresults: '1:30'\nstamp: 010a\n")
    assert read_config(tmp_path / "my.yaml") == {"time_limit": number, "results": "1:30", "stamp": "010a"}


def test_a_file_whose_name_is_not_utf_8_is_named_in_plain_letters(tmp_path):
    with pytest.raises(ConfigError, match=r"caf\\udce9.yaml cannot be read \(No such file") as refused:
        read_config(tmp_path / "caf\udce9.yaml")
    assert str(refused.value).isprintable()


def test_a_file_that_is_not_there_is_named(tmp_path):
    for path in (tmp_path / "missing.yaml", tmp_path):
        with pytest.raises(ConfigError, match=rf"^{re.escape(str(path))} cannot be read \(.*\): name a file"):
            read_config(path)


@hurried(max_examples=100)
@given(
    content=st.one_of(st.binary(max_size=200), st.text(alphabet="{}[]&*a: \n\t-'\"!<1", max_size=40).map(str.encode))
)
def test_any_bytes_are_read_or_refused_with_the_name_of_the_file(tmp_path, content):
    file = tmp_path / "any.yaml"
    file.write_bytes(content)
    try:
        assert isinstance(read_config(file), dict)
    except ConfigError as error:
        assert str(file) in str(error) or "more than 20 levels" in str(error)
        assert_is_a_short_paragraph(str(error))


@given(
    content=st.dictionaries(
        st.text(max_size=5), st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3)), max_size=4
    )
)
@hurried(max_examples=100)
def test_reads_what_yaml_and_json_write(tmp_path, content):
    file = tmp_path / "some.yaml"
    file.write_text(yaml.safe_dump(content, allow_unicode=False), encoding="utf-8")
    assert repr(read_config(file)) == repr(yaml.safe_load(file.read_text(encoding="utf-8")))
    plain = json.loads(json.dumps(content, default=str))
    file.write_text(json.dumps(plain), encoding="utf-8")
    assert repr(read_config(file)) == repr(plain)


def test_the_command_checks_files_laid_over_each_other(project, tmp_path, capsys):
    base = str(project / "config/config.yaml")
    assert main([base, str(project / "config/quick.yaml")]) == 0
    assert "accepted" in capsys.readouterr().out
    file = tmp_path / "bad.yaml"
    file.write_text("augmentation: {copies: 0}")
    assert main([base, str(file)]) == 1
    said = capsys.readouterr()
    assert "augmentation.copies = 0: expected at least 1" in said.err
    assert said.out == ""
    file.write_text("augmentation: {copies: 0")
    assert main([base, str(file)]) == 1
    assert f"gradlab: {file}, line 1" in capsys.readouterr().err


# --- what the checks know of the rest of the project ---


def test_no_study_can_write_among_the_files_of_the_project(project, refusal):
    own = {"config", "notebooks", "profiles", "src", "tests", "workflow"}
    assert own <= {path.name for path in project.iterdir() if path.is_dir()}
    assert own < set(PROJECT_FOLDERS)
    for folder in PROJECT_FOLDERS:
        for path in (folder, f"{folder}/x", f"./{folder}", folder.upper()):
            assert f"results = '{path}': expected a folder" in refusal({"results": path})
    for file in ("Snakefile", "pyproject.toml/x"):
        assert "is a file; take another place" in refusal({"results": file})


def test_every_data_set_may_lie_on_this_machine():
    assert Local.model_fields.keys() == SPECS.keys()
