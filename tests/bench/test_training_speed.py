import pytest

from bench import training_speed

OPTIONS = ["--epochs", "1", "--images", "256"]


@pytest.mark.slow
@pytest.mark.usefixtures("standardized")
def test_ours_is_held_against_a_bare_fit_with_and_without_xla(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(training_speed, "_pytorch_has", lambda name: False)  # installed or not
    figures = training_speed.compare("dense", 1, OPTIONS)
    assert [(figure["what"], figure["wanted"]) for figure in figures] == [
        ("training dense, against bare (XLA)", ">= 1.0"),
        ("training dense, against bare (no XLA)", ">= 1.0"),
    ]
    for figure in figures:
        ratio = figure["ours"]["median"] / figure["other"]["median"]
        assert figure["ratio"]["median"] == pytest.approx(ratio, rel=0.01)
