"""The refined network of a project: made, or read back where nothing that it depends on has changed."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gingham.errors import UnavailableError
from gingham.project import write_whole
from gingham.project.digests import digest
from gingham.records import Epoch
from gingham.workflow.backbones import WEIGHTS

if TYPE_CHECKING:
    from gingham.classifiers import LinearHead
    from gingham.refine import Parts, Refined
    from gingham.workflow.steps import Steps

__all__ = ["RefinedNetwork", "epochs_of", "head_on_refined", "refined_network", "refinement_block"]

FORMAT = 2
"""Part of every key: raise it when the same images and settings come to give another network."""

NO_EFFECT = {"device", "compile", "cache_gb"}
"""Settings that say where and how fast, not what comes out."""


@dataclass(frozen=True)
class RefinedNetwork:
    """A network trained on a project's images.

    Parameters
    ----------
    weights : Path
        Of the network without its last layer.
    coef, intercept : float64 array of shape (n_classes, n_features) and (n_classes,)
        The last layer.
    validation : frozenset of str
        Contents of the training images that only chose and calibrated.
    about : dict
        As recorded: ``depth``, ``device``, ``precision``, ``epochs`` (one object each), ``kept_epochs``,
        ``validation_error``, ``stopped``,
        ``trained_parameters``, ``parameters``.
    key : str
        Digest of all that it depends on.
    """

    weights: Path
    coef: NDArray[np.float64]
    intercept: NDArray[np.float64]
    validation: frozenset[str]
    about: dict[str, Any]
    key: str


def refined_network(steps: Steps, fold: int = 0, look_at_test: bool = True) -> RefinedNetwork:
    """Return the network refined on the training images of a project.

    Parameters
    ----------
    steps : Steps
    fold : int
        Which part of the training images validates; a run takes the first.
    look_at_test : bool
        Whether its curves show the error of the test images.

    Raises
    ------
    ConfigError, DataError, UnavailableError
        As :func:`gingham.refine.refine`.
    """
    from gingham.classifiers import validation_part
    from gingham.features.timm_backbone import require_timm

    require_timm(steps.config.features.backbone)
    from gingham.refine import Parts  # it imports torch, whose absence has been told by now

    settings = steps.config.refinement
    if settings.start == "linear":
        _ = steps.untrained  # so that images that are lost are known before the others are counted
    train = steps.rows("train")
    validates = validation_part(
        steps.labels[train], steps.groups[train], settings.validation_fraction, steps.config.seed, fold
    )
    key = _key(steps, train, validates)
    folder = steps.folder.refined / key
    validation = frozenset(steps.files[row].content for row in train[validates])
    found = _read(folder, key, validation)
    if found is None:
        # The start must not have seen what validates either.
        start = steps.linear_on(train[~validates]) if settings.start == "linear" else None
        with steps.timed("refine"):
            parts = Parts(
                train[~validates],
                train[validates],
                steps.rows("test") if look_at_test else train[:0],
                steps.labels,
                len(steps.classes),
                shared=None if look_at_test else train,
            )
            made = _make(steps, parts, start, folder)
            if made.stopped == "interrupted":  # the checkpoint stays, to go on from
                key = f"{key}-{made.kept_epochs[-1]}"
                folder = steps.folder.refined / key
            _write(folder, made, validation)
            found = _read(folder, key, validation)
        if found is None:
            raise UnavailableError(f"{folder} cannot be read back. Run the same command again.")
        if made.stopped != "interrupted":
            for file in folder.glob("checkpoint*.safetensors"):
                file.unlink()
    return found


def head_on_refined(steps: Steps, features: NDArray[np.float32]) -> LinearHead:
    """Return the last layer of the refined network, or an SVM on its features, calibrated on the validation part."""
    from gingham.classifiers import network_head, validated_svm_head

    config, refined = steps.config, steps.refined
    rows = steps.rows("train")
    validation = np.array([steps.files[row].content in refined.validation for row in rows], bool)
    precision = config.evaluation.wanted_precision
    if config.classifier == "dnn":
        return network_head(
            refined.coef,
            refined.intercept,
            features[rows],
            steps.labels[rows],
            validation,
            classes=steps.classes,
            wanted_precision=precision,
        )
    return validated_svm_head(
        features[rows],
        steps.labels[rows],
        validation,
        classes=steps.classes,
        c_grid=config.svm.c_grid,
        class_weight=config.svm.class_weight,
        normalize=config.svm.normalize,
        wanted_precision=precision,
    )


def epochs_of(steps: Steps) -> tuple[Epoch, ...]:
    """Return the curves of the refined network."""
    return tuple(Epoch(**epoch) for epoch in steps.refined.about["epochs"])


def refinement_block(steps: Steps, head: LinearHead | None = None) -> dict[str, Any]:
    """Return the ``refinement`` object of ``gingham run --json``; of the head what it says of the validation part."""
    from gingham.evaluate.training_advice import diagnose_training

    refined = steps.refined
    train = len(steps.rows("train"))
    own = {name: getattr(head, name) for name in ("held_out_accuracy", "threshold", "coverage")} if head else {}
    return {
        **refined.about,
        "train": train - len(refined.validation),
        "validation": len(refined.validation),
        **own,
        "diagnosis": diagnose_training(epochs_of(steps), len(refined.validation)),
        "key": refined.key,
    }


def _key(steps: Steps, train: NDArray[np.intp], validates: NDArray[np.bool_]) -> str:
    config = steps.config
    content = [
        (steps.files[row].content, int(steps.labels[row]), bool(held))
        for row, held in zip(train, validates, strict=True)
    ]
    parameters = [
        config.features.model_dump(exclude={"backbone_weights", "views"}),
        steps.pretrained.weights_sha256,
        config.preprocess.model_dump(),
        config.refinement.model_dump(exclude=NO_EFFECT),
        config.svm.model_dump() if config.refinement.start == "linear" else {},
        config.seed,
    ]
    return digest([FORMAT, content, parameters, len(steps.classes)])


def _make(
    steps: Steps,
    parts: Parts,
    start: LinearHead | None,
    folder: Path,
) -> Refined:
    from gingham.refine import Files, ViewMaker, refine

    config, settings = steps.config, steps.config.refinement
    maker = ViewMaker(
        steps.pretrained.recipe(config.features.resolution, config.preprocess.fit),
        settings.augment,
        settings.smallest_crop,
        settings.flip,
        config.seed,
        max_pixels=config.preprocess.max_pixels,
    )
    coef, intercept = _first_layer(steps, parts.train, start)

    def report(step: str, done: int, total: int) -> None:
        if tell := steps.progress(step):
            tell(done, total)

    return refine(
        steps.pretrained,
        Files(steps.items, steps.root, maker),
        parts,
        coef,
        intercept,
        settings,
        seed=config.seed,
        engine=config.features.engine,
        engine_precision=config.features.precision,
        checkpoint=folder / "checkpoint.safetensors",
        activations=steps.folder.activations,
        converted=steps.folder.backbones,
        report=report,
        say=steps.say,
    )


def _first_layer(
    steps: Steps, train: NDArray[np.intp], head: LinearHead | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a last layer to start from, whose probabilities are about those of the head; zeros without one.

    The head sees features of unit length, the network those of their own length: that of the average image is put
    into the weights.
    """
    if head is None:
        return np.zeros((len(steps.classes), steps.pretrained.n_features)), np.zeros(len(steps.classes))
    features = steps.untrained.features[train]
    length = float(np.linalg.norm(features, axis=1).mean()) if head.normalize else 1.0
    scale = head.calibration_scale
    return scale * head.coef / max(length, 1e-12), scale * head.intercept + head.calibration_offsets


def _write(folder: Path, made: Refined, validation: frozenset[str]) -> None:
    """Write the weights, and last what makes them count."""
    from safetensors.numpy import save

    weights = save({name: np.array(tensor, order="C") for name, tensor in made.tensors.items()})
    write_whole(folder / WEIGHTS, weights)
    left_out = {"tensors", "coef", "intercept"}
    about = {field.name: getattr(made, field.name) for field in dataclasses.fields(made) if field.name not in left_out}
    about["epochs"] = [dataclasses.asdict(epoch) for epoch in made.epochs]
    text = json.dumps({"about": about, "sha256": hashlib.sha256(weights).hexdigest(), "validation": sorted(validation)})
    write_whole(folder / "last.safetensors", save({"coef": made.coef, "intercept": made.intercept}, {"refined": text}))


def _read(folder: Path, key: str, validation: frozenset[str]) -> RefinedNetwork | None:
    """Read a network back; None where there is none, or it is damaged."""
    from safetensors import SafetensorError, safe_open

    from gingham.features.backbones import file_sha256

    weights = folder / WEIGHTS
    try:
        with safe_open(folder / "last.safetensors", framework="numpy") as stored:
            text = json.loads(stored.metadata()["refined"])
            coef, intercept = stored.get_tensor("coef"), stored.get_tensor("intercept")
        if file_sha256(weights) != text["sha256"]:
            return None
    except (OSError, SafetensorError, ValueError, KeyError, TypeError):
        return None
    return RefinedNetwork(weights, coef, intercept, validation, text["about"], key)
