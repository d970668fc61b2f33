"""Comparison of three architectures whose figures are made up."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from digits import tables
from digits.data import png_archive
from digits.errors import PipelineError
from stages import compare
from tests.stages.running import ROOT, run

LABELS = np.arange(60) % 10
WRONG = {"lenet5_v1": range(30, 32), "dense": range(30, 50), "mine": [31, 50]}
PUBLISHED = {"dense": {"train": 0.9887, "test": 0.9775}, "lenet5_v1": {"dev": 0.9929}}


def metrics(test: float, dev: float = 0.95) -> dict[str, Any]:
    return {
        "accuracy": {"train": 0.99, "dev": dev, "test": test, "test_as_published": test},
        "loss": {"train": 0.01, "dev": 0.2, "test": 0.2, "test_as_published": 0.2},
        "test_interval": {"low": test - 0.01, "high": test + 0.01},
        "bias": 0.0075,
        "variance": 0.04,
        "test_gap": 0.0,
        "parameters": 1000,
        "epochs": 2,
    }


def pair(
    first: str, second: str, only_first: int, only_second: int, p: float, p_corrected: float
) -> dict[str, Any]:
    return {
        "first": first,
        "second": second,
        "only_first": only_first,
        "only_second": only_second,
        "p": p,
        "p_corrected": p_corrected,
    }


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Return a folder with all that the stage reads, and files of an architecture long gone."""
    for name in ("metrics", "data/predictions", "plots/train"):
        (tmp_path / name).mkdir(parents=True)
    settings = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    one = settings["architectures"]["dense"]
    settings["architectures"] = dict.fromkeys(WRONG, one)
    settings["export"]["architecture"] = "mine"
    settings["compare"] = {"samples_shown": 4, "published": PUBLISHED}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))

    ids = np.arange(60)
    split = pd.DataFrame({"id": ids, "label": LABELS, "train": ids < 25})
    dev = (ids >= 25) & (ids < 30)
    split = split.assign(dev=dev, test=(ids >= 20) & ~dev).astype(int)
    split.to_csv(tmp_path / "data/split.csv", index=False)
    pixels = np.broadcast_to(ids[:, None, None] * 4, (60, 28, 28)).astype(np.uint8)
    png_archive.write(tmp_path / "data/png/training.zip", pixels[:40], LABELS[:40], 0)
    png_archive.write(tmp_path / "data/png/testing.zip", pixels[40:], LABELS[40:], 40)

    for name, wrong in {**WRONG, "gone": range(0)}.items():
        table = pd.DataFrame({"id": ids, "label": LABELS, "predicted": LABELS})
        table.loc[list(wrong), "predicted"] = (LABELS[list(wrong)] + 1) % 10
        table = table.assign(probability=0.9, label_probability=0.9)
        table.to_csv(tmp_path / f"data/predictions/{name}.csv", index=False)
        rows = [1, 1, 0.7, 0.5, 0.8, 0.8, 0.6, 0.7, 1], [2, 1, 0.5, 0.3, 0.9, 0.6, 0.4, 0.8, 1]
        curve = pd.DataFrame(rows, columns=tables.CURVES).astype({"epoch": int, "phase": int})
        curve.to_csv(tmp_path / f"plots/train/{name}.csv", index=False)
        figures = metrics(1 - len(wrong) / 30, dev=0.96 if name == "mine" else 0.95)
        (tmp_path / f"metrics/{name}.json").write_text(json.dumps(figures))
    return tmp_path


def test_stage_compares_the_architectures_of_params_in_their_order(workspace: Path) -> None:
    first = run(workspace, "compare")
    assert first.returncode == 0, first.stderr
    lines = first.stdout.splitlines()
    assert [line.split("|")[1].strip() for line in lines[2:5]] == ["lenet5_v1", "dense", "mine"]
    assert "Best on dev: mine." in lines

    content = json.loads((workspace / "metrics/compare.json").read_text())
    assert [one["name"] for one in content["architectures"]] == ["lenet5_v1", "dense", "mine"]
    assert content["architectures"][1]["published"] == PUBLISHED["dense"]
    assert content["architectures"][1]["difference"] == {"train": 0.0013, "test": -0.644167}
    assert content["architectures"][0]["difference"] == {"dev": -0.0429}
    assert content["architectures"][2]["difference"] == {}
    assert content["best"] == {"name": "mine", "dev": 0.96, "test": pytest.approx(14 / 15)}
    assert content["pairs"] == [
        # 18 of 18 to one side: 2 / 2**18; 1 to 1: no difference; 19 to 1: 2 * 21 / 2**20.
        pair("lenet5_v1", "dense", 18, 0, 7.629e-06, 2.289e-05),
        pair("lenet5_v1", "mine", 1, 1, 1, 1),
        pair("dense", "mine", 1, 19, 4.005e-05, 8.011e-05),
    ]

    curves = pd.read_csv(workspace / "plots/compare/curves.csv")
    assert curves[curves["architecture"] == "dense"].to_numpy().tolist() == [
        ["dense", 1, 1, "train", 0.5, 0.8],
        ["dense", 2, 1, "train", 0.3, 0.9],
        ["dense", 1, 1, "dev", 0.6, 0.7],
        ["dense", 2, 1, "dev", 0.4, 0.8],
    ]
    assert list(dict.fromkeys(curves["architecture"])) == ["lenet5_v1", "dense", "mine"]

    written = {
        path: path.read_bytes()
        for path in [workspace / "metrics/compare.json", *(workspace / "plots").rglob("*")]
        if path.is_file()
    }
    pictures = sorted(path.name for path in written if path.suffix == ".png")
    assert pictures == [
        "accuracy.png",
        "bias_variance.png",
        "curves.png",
        "mcnemar.png",
        "samples.png",
    ]
    for path in written:
        if path.suffix == ".png":
            with Image.open(path) as picture:
                assert len(picture.convert("L").getcolors() or []) > 10
    assert run(workspace, "compare").returncode == 0
    assert {path: path.read_bytes() for path in written} == written


def test_an_architecture_without_metrics_ends_the_stage_before_it_writes(workspace: Path) -> None:
    (workspace / "metrics/dense.json").unlink()
    ended = run(workspace, "compare")
    assert ended.returncode == 1
    assert ended.stderr.startswith(
        "compare: metrics/dense.json is missing; `dvc repro evaluate@dense` measures dense"
    )
    assert not (workspace / "plots/compare").exists()


def test_samples_are_training_images_drawn_by_the_seed(workspace: Path) -> None:
    rows = np.arange(10, 50)

    def drawn(seed: int) -> list[tuple[str, int]]:
        panels = compare.draw_samples(workspace / "data/png", rows, 4, seed).axes
        return [
            (panel.get_title(), int(np.asarray(panel.images[0].get_array())[0, 0]) // 4)
            for panel in panels
        ]

    assert drawn(1) == drawn(1) != drawn(2)
    assert all(title == str(LABELS[row]) and row in rows for title, row in drawn(1))
    assert len({row for _, row in drawn(1)}) == 4


def test_predictions_for_another_split_are_refused(workspace: Path) -> None:
    path = workspace / "data/predictions/dense.csv"
    with pytest.raises(PipelineError, match=r"expected 59 predictions, .* found 60"):
        compare.read_correct(path, 59)


def test_metrics_with_a_merge_conflict_are_refused(workspace: Path) -> None:
    path = workspace / "metrics/dense.json"
    path.write_text("<<<<<<< HEAD\n" + path.read_text())
    with pytest.raises(PipelineError, match=r"dense.json is not JSON"):
        compare.read_metrics(path)


@pytest.mark.parametrize("content", ["{}", "[]"])
def test_metrics_of_another_kind_are_refused(workspace: Path, content: str) -> None:
    path = workspace / "metrics/dense.json"
    path.write_text(content)
    with pytest.raises(PipelineError, match=r"dense.json: expected accuracy, bias, epochs"):
        compare.read_metrics(path)
