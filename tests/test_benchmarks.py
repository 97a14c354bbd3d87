"""The benchmarks: their arithmetic, each of them from end to end on tiny made data, and the results that are kept."""

import json

import numpy as np
import pytest
import torch

from benchmarks import augmentation, cell, evaluation, no_op, perceptron, plan, timing, training, two_layer
from benchmarks.__main__ import RESULTS, ROUNDS, main
from benchmarks.timing import Benchmark, Places, Target, report, summarise, time_rounds
from gradlab.report.speed import tabulate_benchmarks


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
    seconds = time_rounds(Benchmark("made", "", contenders, Target(1), units=2), 4)
    assert "".join(clock.done) == "abc" + "abc" + "bca" + "cab" + "abc"  # the first time without being timed
    assert seconds == {"a": [0.5] * 4, "b": [1.5] * 4, "c": [0.25] * 4}


def test_contenders_that_do_not_agree_are_not_timed(monkeypatch):
    clock = Clock(monkeypatch)

    def refuse(results):
        raise ValueError(f"got {results}")

    with pytest.raises(ValueError, match=r"got \['a'\]"):
        time_rounds(Benchmark("made", "", {"a": clock.take("a", 1.0)}, Target(1), agree=refuse), 3)
    assert clock.done == ["a"]


@pytest.mark.parametrize(
    ("target", "met"),
    [(Target(3, "other"), True), (Target(3.1, "other"), False), (Target(1), True), (Target(0.9), False)],
)
def test_ratios_are_formed_within_a_round(target, met):
    # The second round is twice as slow for everybody: no ratio changes.
    made = Benchmark("made", "", {}, target)
    result = report(made, {"own": [1.0, 2.0, 1.0], "other": [3.0, 6.0, 5.0]})
    own, other = result["contenders"]
    assert own["ratio"] == {"median": 1, "lower": 1, "upper": 1}
    assert other["ratio"] == {"median": 3, "lower": 3, "upper": 4}
    assert own["seconds"] == {"median": 1, "lower": 1, "upper": 1.5, "runs": [1, 2, 1]}
    assert result["target"]["met"] is met


def test_quartiles():
    assert summarise([4, 1, 3, 2, 5]) == {"median": 3, "lower": 2, "upper": 4}


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
    result = report(benchmark, time_rounds(benchmark, 2))
    assert result["name"] == request.node.callspec.id
    assert all(contender["seconds"]["median"] > 0 for contender in result["contenders"])
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
    with pytest.raises(ValueError, match=r"\(100, 99\)"):
        plan.check_plans([(1000, 1000), (100, 99)])


def test_the_ways_of_running_a_cell_leave_the_same_results(tmp_path):
    files = cell.write_files(tmp_path / "cell")
    for run in (files.run, files.run_papermill, files.run_script):
        run()
        assert files.take_results() == ["metrics.json", "curves.csv", "curves.svg"]
        assert files.take_results() == []


def test_studies_of_any_size_are_planned(places, project):
    benchmark = plan.compare(Places(places.data, project, places.scratch))
    assert benchmark.contenders["100 cells"]() == (100, 100)


def test_a_study_that_is_not_finished_is_refused_and_nothing_is_run(tmp_path, places):
    (tmp_path / "Snakefile").write_text('rule made:\n    output: "made.txt"\n    shell: "touch {output}"\n')
    (tmp_path / "config").mkdir()
    (tmp_path / "config/quick.yaml").write_text("quick: true\n")
    study = Places(places.data, tmp_path, places.scratch)
    with pytest.raises(no_op.UnfinishedError, match="run `make quick` first"):
        no_op.compare(study)
    assert not (tmp_path / "made.txt").exists()
    (tmp_path / "made.txt").touch()
    assert no_op.NOTHING in no_op.compare(study).contenders["snakemake"]()


def test_the_command_keeps_what_it_found_and_what_it_found_before(places, tmp_path, capsys):
    kept = tmp_path / "results.json"
    options = ["--data", str(places.data), "--study", str(places.study), "--rounds", "2", "--to", str(kept)]
    assert main(["augmentation", *options]) == 0
    assert main(["evaluation", *options]) == 0
    titles = [row[0] for row in tabulate_benchmarks(kept).rows]
    assert [title.split()[0] for title in titles] == ["Loss", "A"]
    printed = capsys.readouterr().out
    assert all(title in printed for title in titles)
    assert main(["no_op", *options]) == 1
    assert "no_op was not run" in capsys.readouterr().err
    assert [row[0] for row in tabulate_benchmarks(kept).rows] == titles


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
    assert len(tabulate_benchmarks(RESULTS).rows) == len(kept)
    for result in kept:
        runs = [contender["seconds"]["runs"] for contender in result["contenders"]]
        assert {len(times) for times in runs} == {result["rounds"]}
        for contender, times in zip(result["contenders"], runs, strict=True):
            assert contender["seconds"] == {**summarise(times), "runs": times}
            assert contender["ratio"] == pytest.approx(summarise(np.array(times) / np.array(runs[0])))
