"""The benchmarks: their arithmetic, each of them from end to end on tiny made data, and the results that are kept."""

import json
import os

import numpy as np
import pytest
import torch

from benchmarks import (
    augmentation,
    cell,
    evaluation,
    no_op,
    perceptron,
    plan,
    protocol,
    rates,
    timing,
    training,
    two_layer,
)
from benchmarks.__main__ import RESULTS, ROUNDS, main
from benchmarks.forks import run_in_forks
from benchmarks.timing import Benchmark, Places, Target, measure, report, summarise, time_rounds
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
    seconds = time_rounds(Benchmark("made", "", contenders, units={"a": 2, "b": 2}), 4)
    assert "".join(clock.done) == "abc" + "abc" + "bca" + "cab" + "abc"  # the first time without being timed
    assert seconds == {"a": [0.5] * 4, "b": [1.5] * 4, "c": [0.5] * 4}


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


def test_a_whole_is_the_sum_of_its_parts_each_as_often_as_it_occurs(monkeypatch):
    clock = Clock(monkeypatch)

    def each(times):
        return dict.fromkeys(("own", "plain"), times)

    def part(own, plain, **facts):
        return Benchmark("part", "", {"own": clock.take("own", own), "plain": clock.take("plain", plain)}, **facts)

    passes, shared = part(1.0, 5.0, least={"copy": 3.0}), part(3.0, 3.0)
    study = Benchmark("study", "", {}, parts=[(each(10), passes), ({"own": 2, "plain": 1}, shared)])
    whole = Benchmark("whole", "", {}, Target(3, "plain"), parts=[(each(1), study), (each(0.5), shared)])
    result = measure(whole, 2, {"copy": 4.0})
    assert clock.done.count("own") == 2 * (1 + 2)  # a part of two works is timed once
    own, plain = result["contenders"]
    assert own["seconds"]["runs"] == [10 + 6 + 1.5] * 2
    assert plain["seconds"]["runs"] == [50 + 3 + 1.5] * 2
    assert plain["ratio"]["median"] == 54.5 / 17.5
    assert result["target"] == {"against": "plain", "bound": 3, "met": True}
    assert [part["times"] for part in result["parts"]] == [each(1), each(0.5)]
    passes, _ = result["parts"][0]["parts"]
    assert (passes["times"], passes["share"]) == (each(10), 0.75)
    assert "target" not in passes


def test_work_is_done_in_forks_and_comes_back():
    here = os.getpid()
    found = run_in_forks(lambda: (os.getppid(), os.getpid(), torch.get_num_threads()), copies=2, threads=3)
    assert {parent for parent, _, _ in found} == {here}
    assert len({own for _, own, _ in found}) == 2
    assert [threads for _, _, threads in found] == [3, 3]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_fork_that_fails_is_told(capfd):
    with pytest.raises(RuntimeError, match="ended without a result"):
        run_in_forks(lambda: 1 / 0, copies=1, threads=1)
    assert "ZeroDivisionError" in capfd.readouterr().err


def test_the_rates_of_the_machine_are_those_of_what_was_done(monkeypatch):
    monkeypatch.setattr(rates, "SIZE", 200)
    monkeypatch.setattr(rates, "COPIED", 2**20)
    found = rates.measure_rates()
    assert set(found) == {"sgemm", "dgemm", "copy"}
    assert all(rate > 1e6 for rate in found.values())


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
        lambda places: protocol.compare(places, images=48),
    ],
    ids=["evaluation", "training", "augmentation", "perceptron", "two_layer", "protocol"],
)
def test_the_contenders_of_a_benchmark_do_the_same(places, compare, request, monkeypatch):
    monkeypatch.setattr(two_layer, "BATCH", 10)
    result = measure(compare(places), 2, {"sgemm": 1e9, "dgemm": 1e9, "copy": 1e9})
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
    with pytest.raises(ValueError, match="same numbers"):
        protocol.sides.check_numbers([(0.5, 0.8), (0.5, 0.79)])
    with pytest.raises(ValueError, match=r"quotients differ by 0\.1"):
        protocol.regularization.check_quotients([np.zeros(2), np.array([0, 0.1])])
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
    assert len(tabulate_benchmarks(RESULTS).rows) > len(kept)  # parts have rows as well
    for result in kept:
        check_numbers(result)


def check_numbers(result):
    """A result's medians, quartiles and ratios are those of its runs, and its runs the sums of its parts'."""
    runs = [contender["seconds"]["runs"] for contender in result["contenders"]]
    assert {len(times) for times in runs} == {result["rounds"]}
    for contender, times in zip(result["contenders"], runs, strict=True):
        assert contender["seconds"] == {**summarise(times), "runs": times}
        assert contender["ratio"] == pytest.approx(summarise(np.array(times) / np.array(runs[0])))
    for part in result.get("parts", ()):
        check_numbers(part)
    if parts := result.get("parts"):
        for place, times in enumerate(runs):
            ways = [part["contenders"][place] for part in parts]
            often = [part["times"][way["label"]] for part, way in zip(parts, ways, strict=True)]
            added = sum(n * np.array(way["seconds"]["runs"]) for n, way in zip(often, ways, strict=True))
            assert times == pytest.approx(added)
