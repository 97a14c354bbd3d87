"""The benchmarks: their arithmetic, each of them from end to end on tiny made data, and the results that are kept."""

import json
from itertools import pairwise

import numpy as np
import pytest
import reference_mlp
import torch
from reference import plain_conv_net
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import augmentation, cell, evaluation, no_op, perceptron, timing, training, two_layer
from benchmarks.__main__ import RESULTS, ROUNDS, main
from benchmarks.fashion import FLOP_FORWARD, FLOP_TRAINING
from benchmarks.profiling import profile_command, profile_python, profile_torch, rank
from benchmarks.timing import Benchmark, Places, Target, Timing, report, summarise, time_rounds
from gradlab.mlp import init_parameters
from gradlab.sections.speed import load_benchmarks
from gradlab.seeds import seed_streams


def save_prepared(folder, name, arrays):
    """Write arrays as the prepared data set of a name."""
    folder.mkdir(parents=True)
    for file, array in arrays.items():
        np.save(folder / f"{file}.npy", array)
    described = {f"{file}.npy": {"shape": array.shape, "dtype": str(array.dtype)} for file, array in arrays.items()}
    (folder / "dataset.json").write_text(json.dumps({"name": name, "arrays": described}))


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """Sixty images of either data set, of random pixels."""
    root, rng = tmp_path_factory.mktemp("benchmarks"), np.random.default_rng(0)
    labels = {f"{split}_labels": rng.integers(10, size=60) for split in ("train", "test")}
    grey = {f"{split}_images": rng.integers(256, size=(60, 28, 28), dtype=np.uint8) for split in ("train", "test")}
    save_prepared(root / "data/fashion_mnist", "fashion_mnist", {**grey, **labels})
    double = {f"{split}_images": rng.standard_normal((60, 3072)) for split in ("train", "test")}
    single = {f"{name}_float32": images.astype(np.float32) for name, images in double.items()}
    save_prepared(root / "data/cifar10", "cifar10", {**double, **single, **labels})
    (root / "study").mkdir()
    return Places(root / "data", root / "study", root)


class Clock:
    """A clock that stands still but for the work that is done."""

    def __init__(self, monkeypatch):
        self.now, self.done = 0.0, []
        monkeypatch.setattr(timing, "CLOCKS", {"processor time": lambda: self.now})

    def take(self, name, seconds):
        def work():
            self.done.append(name)
            self.now += seconds
            return name

        return work


def test_every_round_runs_all_contenders_and_begins_with_another_one(monkeypatch):
    clock = Clock(monkeypatch)
    contenders = {"a": clock.take("a", 1.0), "b": clock.take("b", 3.0), "c": clock.take("c", 0.5)}
    measured = time_rounds(Benchmark("made", "", contenders, units=2), 4)
    assert "".join(clock.done) == "abc" + "abc" + "bca" + "cab" + "abc"  # the first time without being timed
    assert measured.seconds == {"a": [0.5] * 4, "b": [1.5] * 4, "c": [0.25] * 4}
    assert measured.limits == {}


def test_contenders_that_do_not_agree_are_not_timed(monkeypatch):
    clock = Clock(monkeypatch)

    def refuse(results):
        raise ValueError(f"got {results}")

    with pytest.raises(ValueError, match=r"got \['a'\]"):
        time_rounds(Benchmark("made", "", {"a": clock.take("a", 1.0)}, agree=refuse), 3)
    assert clock.done == ["a"]


def test_ratios_and_shares_are_formed_within_a_round():
    # The second round is twice as slow for everybody: no ratio and no share changes.
    measured = Timing(
        {"own": [1.0, 2.0, 1.0], "other": [3.0, 6.0, 5.0]},
        {"float32": [200.0, 100.0, 200.0], "float64": [50.0, 25.0, 50.0]},
    )
    targets = [Target("ratio", 3, "other"), Target("ratio", 3.1, "other"), Target("seconds", 1), Target("share", 0.76)]
    made = Benchmark("made", "", dict.fromkeys(("own", "other")), targets, flop={"float32": 100.0, "float64": 12.5})
    own, other = report(made, measured)["contenders"]
    # At the limit: 100 / 200 + 12.5 / 50 = 0.75 s in a fast round and 1.5 s in a slow one.
    assert own["share"] == {"median": 0.75, "lower": 0.75, "upper": 0.75}
    assert own["ratio"] == {"median": 1, "lower": 1, "upper": 1}
    assert other["ratio"] == {"median": 3, "lower": 3, "upper": 4}
    assert own["seconds"] == {"median": 1, "lower": 1, "upper": 1.5, "runs": [1, 2, 1]}
    assert own["flops"]["median"] == 112.5
    assert [target["met"] for target in report(made, measured)["targets"]] == [True, False, True, False]


def test_quartiles():
    assert summarise([4, 1, 3, 2, 5]) == {"median": 3, "lower": 2, "upper": 4}


def test_the_limit_is_a_product_of_matrices(monkeypatch):
    monkeypatch.setattr(timing, "LIMIT_SIZE", 30)
    for precision in ("float32", "float64"):
        product = timing.multiplication(precision)()
        assert product.shape == (30, 30) and str(product.dtype) == f"torch.{precision}"
    (rates,) = time_rounds(
        Benchmark("made", "", {"own": lambda: sum(range(100))}, flop={"float64": 1.0}), 2
    ).limits.values()
    assert len(rates) == 2 and min(rates) > 0


def test_small_parts_of_a_profile_are_one():
    parts = rank({"a": 1.0, "b": 5.0, "c": 2.0, "d": 2.0}, 2)
    assert [(part.operation, part.share) for part in parts] == [("b", 0.5), ("c", 0.2), ("all others", 0.3)]
    assert rank({}, 3) == []


def test_profiles_name_what_takes_the_time(tmp_path):
    square = torch.ones(200, 200)

    def multiply():
        for _ in range(20):
            square @ square

    for parts, largest in (
        (profile_torch(multiply), "aten::mm"),
        (profile_python(multiply), "test_benchmarks.multiply"),
        (profile_command("timeit", "-n1", "-r1", "sum(range(2000000))", folder=tmp_path), "Python's standard library"),
    ):
        assert sum(part.share for part in parts) == pytest.approx(1)
        assert largest in [part.operation for part in parts[:3]]


def count_flop(net, inputs):
    """Count the operations of a forward pass, and of the passes forward and backward, as torch does."""
    counted = []
    for backward in (False, True):
        with FlopCounterMode(display=False) as counter:
            logits = net(inputs)
            if backward:
                logits.sum().backward()
        counted.append(counter.get_total_flops())
    return counted


def test_operations_are_those_that_torch_counts():
    assert count_flop(plain_conv_net(), torch.randn(3, 28, 28)) == [3 * FLOP_FORWARD, 3 * FLOP_TRAINING]
    perceptron_net = reference_mlp.build_network(init_parameters(784, 64, streams=[seed_streams(0, 0)]), 0)
    assert count_flop(perceptron_net, torch.randn(1, 784))[1] == perceptron.FLOP
    net = nn.Sequential(nn.Linear(3072, 50), nn.ReLU(), nn.Linear(50, 10))
    assert count_flop(net, torch.randn(7, 3072)) == [7 * two_layer.FLOP_FORWARD, 7 * two_layer.FLOP_UPDATE]


@pytest.mark.parametrize(
    "compare",
    [
        lambda places: evaluation.compare(places, images=30),
        lambda places: training.compare(places, images=48),
        lambda places: augmentation.compare(places, images=5),
        lambda places: perceptron.compare(places, updates=6, subset=20),
        lambda places: two_layer.compare(places, train=40, validation=20, n_s=10, epochs=2),
    ],
    ids=["evaluation", "training", "augmentation", "perceptron", "two_layer"],
)
def test_the_contenders_of_a_benchmark_do_the_same(places, compare, request, monkeypatch):
    monkeypatch.setattr(two_layer, "BATCH", 10)
    benchmark = compare(places)
    measured = time_rounds(benchmark, 2)
    result = report(benchmark, measured, benchmark.profile())
    assert result["name"] == request.node.callspec.id
    assert all(contender["seconds"]["median"] > 0 for contender in result["contenders"])
    assert sum(part["share"] for part in result["profile"]) == pytest.approx(1)
    json.dumps(result, allow_nan=False)


def test_contenders_that_did_something_else_are_refused():
    with pytest.raises(ValueError, match="same loss and accuracy"):
        evaluation.check_evaluations([(0.5, 0.8), (0.6, 0.8)])
    with pytest.raises(ValueError, match="same loss and accuracy"):
        evaluation.check_evaluations([(0.5, 0.8), (0.5, 0.79)])
    with pytest.raises(ValueError, match=r"parameter 0 differs by 0\.5"):
        training.check_parameters([[torch.zeros(2)], [torch.tensor([0, 0.5])]])
    with pytest.raises(ValueError, match="shapes"):
        augmentation.check_shapes([torch.zeros(2, 3), torch.zeros(1, 2, 3)])
    with pytest.raises(ValueError, match=r"seed 1 differ by 0\.5"):
        perceptron.check_weights([[np.zeros(2), np.zeros(2)], [np.zeros(2), np.full(2, 0.5)]])
    with pytest.raises(ValueError, match=r"accuracies are 0\.5 and 0\.6"):
        two_layer.check_outcomes([two_layer.Outcome(np.zeros(2), 0.5), two_layer.Outcome(np.zeros(2), 0.6)])
    with pytest.raises(ValueError, match=r"expected metrics\.json"):
        cell.check_results([["metrics.json"], []])


def test_the_parts_of_a_cell_are_told(tmp_path):
    files = cell.write_files(tmp_path / "cell")
    parts = {part.operation: part.share for part in cell.find_parts(files)}
    assert set(parts) > {
        "the cell: importing torch",
        "the runner: importing",
        "start of the kernel",
        "the cell: saving",
    }
    assert sum(parts.values()) == pytest.approx(1) and min(parts.values()) >= 0
    assert files.take_results() == ["metrics.json", "curves.csv", "curves.svg"]
    assert files.take_results() == []


def test_a_study_that_is_not_finished_is_refused_and_nothing_is_run(tmp_path, places):
    (tmp_path / "Snakefile").write_text('rule made:\n    output: "made.txt"\n    shell: "touch {output}"\n')
    (tmp_path / "config").mkdir()
    (tmp_path / "config/quick.yaml").write_text("quick: true\n")
    study = Places(places.data, tmp_path, places.scratch)
    with pytest.raises(no_op.UnfinishedError, match="run `make quick` first"):
        no_op.compare(study)
    assert not (tmp_path / "made.txt").exists()
    (tmp_path / "made.txt").touch()
    benchmark = no_op.compare(study)
    assert all(no_op.NOTHING in benchmark.contenders[way]() for way in ("snakemake", "snakemake --dry-run"))


def test_the_command_keeps_what_it_found_and_what_it_found_before(places, tmp_path, capsys):
    kept = tmp_path / "results.json"
    options = ["--data", str(places.data), "--study", str(places.study), "--rounds", "2", "--to", str(kept)]
    assert main(["augmentation", *options]) == 0
    assert main(["evaluation", *options]) == 0
    assert [result.name for result in load_benchmarks(kept)] == ["evaluation", "augmentation"]
    printed = capsys.readouterr().out
    assert "60 images" in printed and "where the time goes" in printed and "of the limit" in printed
    assert main(["no_op", *options]) == 1
    assert "no_op was not run" in capsys.readouterr().err
    assert [result.name for result in load_benchmarks(kept)] == ["evaluation", "augmentation"]


@pytest.mark.parametrize(
    ("arguments", "message"), [(["speed"], "no benchmark is called speed"), (["--rounds", "0"], "give at least 1")]
)
def test_arguments_that_make_no_sense_are_refused(arguments, message, capsys):
    with pytest.raises(SystemExit):
        main(arguments)
    assert message in capsys.readouterr().err


def test_the_results_that_are_kept_follow_from_their_runs():
    kept = json.loads(RESULTS.read_text(encoding="utf-8"))["benchmarks"]
    assert [result["name"] for result in kept] == list(ROUNDS)
    assert len(load_benchmarks(RESULTS)) == len(kept)
    for result in kept:
        runs = [contender["seconds"]["runs"] for contender in result["contenders"]]
        assert {len(times) for times in runs} == {result["rounds"]}
        for contender, times in zip(result["contenders"], runs, strict=True):
            assert contender["seconds"] == {**summarise(times), "runs": times}
            assert contender["ratio"] == pytest.approx(summarise(np.array(times) / np.array(runs[0])))
        assert sum(part["share"] for part in result["profile"]) == pytest.approx(1)
        shares = [part["share"] for part in result["profile"] if part["operation"] != "all others"]
        assert all(before >= after for before, after in pairwise(shares))
