"""Explanations: the evidence adds up to the score, belongs to its image, and is refused where there is none to show."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper
from PIL import Image

from gingham import Project, load
from gingham.errors import UsageError
from gingham.export import Predictor
from gingham.export.explanation import Explainer
from tests.textures import CLASSES, texture_bytes


@pytest.fixture(scope="module")
def file(untouched_run: Path) -> Path:
    return next(untouched_run.glob("runs/*/model.onnx"))


@pytest.fixture(scope="module")
def model(file: Path) -> Predictor:
    return load(file, "f32")


PICTURES = [texture_bytes(kind, number) for number in range(20, 24) for kind in CLASSES]


@pytest.mark.parametrize("label", [None, *CLASSES])
def test_the_evidence_adds_up_to_the_score(model: Predictor, label: str | None) -> None:
    found = list(model.explain(PICTURES, label))
    answers = model.predict(PICTURES)
    scores = model.run(np.stack([explanation.square for explanation in found])).scores
    assert len(found) == len(PICTURES)
    for explanation, answer, row in zip(found, answers, scores, strict=True):
        assert explanation.label == (label or answer.label)
        assert explanation.evidence.shape == (3, 3)  # 96 pixels, a 32nd
        score = explanation.evidence.mean() + explanation.intercept
        assert score == pytest.approx(row[model.labels.index(explanation.label)], abs=1e-3)


def test_each_belongs_to_its_image_whatever_cannot_be_read_between_them(model: Predictor, tmp_path: Path) -> None:
    paths = []
    for number, data in enumerate(PICTURES):
        paths.append(str(tmp_path / f"{number}.jpg"))
        Path(paths[-1]).write_bytes(b"no image" if number in (0, 7, 8) else data)
    found = list(model.explain(paths))
    assert [explanation.path for explanation in found] == [p for n, p in enumerate(paths) if n not in (0, 7, 8)]
    for explanation in found:
        (alone,) = model.explain(explanation.path)
        np.testing.assert_array_equal(explanation.evidence, alone.evidence)


def test_a_class_that_there_is_not(model: Predictor) -> None:
    with pytest.raises(UsageError, match=r"no class plaid. There are: checks, dots, stripes"):
        next(model.explain(PICTURES[0], "plaid"))


def test_a_network_that_averages_no_map_is_refused(file: Path) -> None:
    model = onnx.load(file)
    (pool,) = [node for node in model.graph.node if node.op_type == "GlobalAveragePool"]
    pool.op_type = "GlobalMaxPool"
    with pytest.raises(UsageError, match=r"efficientnet_lite0, does not average a map"):
        Explainer(model, load(file).info)


def test_features_that_are_not_the_mean_are_refused_though_the_graph_looks_alike(file: Path) -> None:
    model = onnx.load(file)
    (flatten,) = [node for node in model.graph.node if "features" in node.output]
    pooled = flatten.input[0]
    model.graph.node.insert(list(model.graph.node).index(flatten), helper.make_node("Add", [pooled, pooled], ["twice"]))
    flatten.input[0] = "twice"
    with pytest.raises(UsageError, match=r"does not average a map"):
        Explainer(model, load(file).info)


def test_the_probabilities_are_those_of_the_answer(model: Predictor) -> None:
    (answer,) = model.predict(PICTURES[:1])
    for label in (None, "stripes"):
        (explanation,) = model.explain(PICTURES[:1], label)
        assert explanation.probabilities == pytest.approx(answer.probabilities)


def test_the_overlay_alone_is_a_square_of_the_side_asked_for(model: Predictor) -> None:
    (explanation,) = model.explain(PICTURES[:1])
    with Image.open(io.BytesIO(explanation.overlay(192))) as picture:
        assert (picture.size, picture.format) == ((192, 192), "JPEG")


@pytest.mark.parametrize(
    ("backbone", "views", "side"),
    [
        ("efficientnet_lite0", "crops-and-flips", 8),
        ("efficientnet_lite0+efficientnet_lite1", "crops", 8),
    ],
)
def test_the_evidence_of_views_and_of_several_networks_adds_up_too(
    finished: Path, backbone: str, views: str, side: int
) -> None:
    run = Project(finished, environment={}).run(overrides={"features.backbone": backbone, "features.views": views})
    model = load(run.model, "f32")
    found = list(model.explain(PICTURES[:3]))
    scores = model.run(np.stack([explanation.square for explanation in found])).scores
    for explanation, row in zip(found, scores, strict=True):
        assert explanation.evidence.shape == (side, side)
        score = explanation.evidence.mean() + explanation.intercept
        assert score == pytest.approx(row[model.labels.index(explanation.label)], abs=1e-3)


def test_evidence_in_a_mirrored_view_lies_where_it_is_in_the_picture(finished: Path) -> None:
    project = Project(finished, environment={})
    plain, flipped = (load(project.run(overrides={"features.views": views}).model, "f32") for views in ("one", "flip"))
    (square,) = [e.square for e in plain.explain(PICTURES[:1])]
    mirrored = np.ascontiguousarray(square[:, ::-1])
    label = plain.labels[0]
    a, b = (
        flipped._explainer.explain("", picture, label, np.zeros(3, np.float32)).evidence
        for picture in (square, mirrored)
    )
    np.testing.assert_allclose(a, b[:, ::-1], atol=1e-4)
