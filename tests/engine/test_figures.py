import pandas as pd
import pytest

from gradlab.engine.figures import load_deviations, load_figures, load_log, load_settings, settings_of


@pytest.fixture(scope="module")
def published(project):
    return project / "workflow/published"


def test_every_printed_figure_is_there(published):
    figures = load_figures(published)
    assert len({(figure.study, figure.id) for figure in figures}) == len(figures)
    exact = [figure.id for figure in figures if figure.study == "regularization" and figure.rule == "exact"]
    assert len(exact) == 8 + 1 + 10 + 1 + 3
    first = [figure for figure in figures if ".pass_0." in figure.id]
    assert len(first) == 4 * 4
    assert {figure.rule for figure in first} == {"exact"}
    assert len([figure for figure in figures if ".pass_1." in figure.id and figure.rule == "within"]) == 4 * 4


def test_published_text_is_kept_as_printed(published):
    values = {figure.id: figure.value for figure in load_figures(published)}
    assert values["none.pass_0.train_loss"] == "2.278"
    assert values["coarse-5.validation_accuracy"] == "0.518"
    assert values["1.final_test_accuracy"] == "0.840"


def test_every_figure_has_a_claim_of_its_own(published):
    figures = load_figures(published)
    claims = {(figure.study, figure.claim) for figure in figures}
    assert len(claims) == len(figures)
    assert all(figure.claim != figure.id and "{" not in figure.claim for figure in figures)


def test_deviations_name_their_study_and_source(published):
    deviations = load_deviations(published)
    assert {deviation.study for deviation in deviations} == {"augmentation", "batch_size", "regularization"}
    assert all(
        deviation.source and deviation.notebook and deviation.here and deviation.effect for deviation in deviations
    )


def test_logs_are_tidy(published):
    log = load_log(published, "augmentation")
    assert list(log.columns) == ["setting", "pass", "split", "metric", "value"]
    wide = pd.read_csv(published / "augmentation_curves.csv")
    assert len(log) == 4 * len(wide)
    row = log[(log.setting == "both") & (log["pass"] == 3) & (log.split == "test") & (log.metric == "loss")]
    expected = wide[(wide.setting == "both") & (wide["pass"] == 3)]["test_loss"]
    assert row["value"].item() == expected.item()


def test_settings_of_all_matching_patterns_apply(published):
    settings = load_settings(published)
    assert settings_of("4.final_test_accuracy", settings["batch_size"])["learning_rate"] == 0.025
    assert settings_of("none.passes", settings["augmentation"])["max_passes"] == 100
    assert "max_passes" not in settings_of("none.pass_1.test_loss", settings["augmentation"])
    assert settings_of("a", {"a*": {"x": 1}, "b": {"x": 2}, "*": {"y": 3}}) == {"x": 1, "y": 3}
