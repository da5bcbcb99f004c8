"""Parameters: one place, three sources, and errors that say what to type."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from gingham.config import Config, load_config, parameters, to_toml
from gingham.config.presets import PRESETS
from gingham.errors import ConfigError
from gingham.features import load_composed

NOWHERE = Path("there-is-no-such-file.toml")
LITE = "efficientnet_lite"


def test_the_written_file_holds_every_parameter_with_its_help_and_reads_back(tmp_path: Path) -> None:
    text = to_toml()
    file = tmp_path / "gingham.toml"
    file.write_text(text)
    assert load_config(file) == Config()
    for parameter in parameters():
        assert f"\n{parameter.name.rpartition('.')[2]} = " in text
        assert parameter.help, f"{parameter.name} has no help"
        assert f"# {parameter.help}" in text


def test_a_changed_configuration_survives_being_written(tmp_path: Path) -> None:
    config = load_config(NOWHERE, {}, {"svm.c_grid": [1, 0.5], "dataset": 'im"ages/ünï', "svm.normalize": False})
    (tmp_path / "gingham.toml").write_text(to_toml(config), encoding="utf-8")
    assert load_config(tmp_path / "gingham.toml") == config


@pytest.mark.parametrize(
    ("file", "environment", "overrides", "expected"),
    [
        pytest.param("", {}, {}, 5, id="default"),
        pytest.param("[svm]\nfolds = 4", {}, {}, 4, id="file"),
        pytest.param("[svm]\nfolds = 4", {"GINGHAM_SVM__FOLDS": "3"}, {}, 3, id="environment over file"),
        pytest.param("[svm]\nfolds = 4", {"GINGHAM_SVM__FOLDS": "3"}, {"svm": {"folds": 2}}, 2, id="flag over both"),
        pytest.param("", {}, {"svm.folds": 2}, 2, id="dotted override"),
        pytest.param("", {"OTHER": "x", "PATH": "/bin"}, {}, 5, id="foreign variables are ignored"),
    ],
)
def test_later_sources_win(
    tmp_path: Path, file: str, environment: dict[str, str], overrides: dict[str, object], expected: int
) -> None:
    path = tmp_path / "gingham.toml"
    path.write_text(file)
    assert load_config(path, environment, overrides).svm.folds == expected


# Those that exclude another, each with what it needs.
APART = {
    "splits.test_files": {},
    "splits.group_regex": {"splits.group_by": "regex"},
    "splits.group_csv": {"splits.group_by": "csv"},
    "preset": {},
}


@pytest.mark.parametrize("apart", ["", *APART])
def test_every_parameter_can_be_set_in_each_of_the_three_sources(tmp_path: Path, apart: str) -> None:
    every = {
        "dataset": "images/mine",
        "classifier": "svm",
        "preset": "balanced",
        "seed": 7,
        "executor": "local",
        "preprocess.fit": "squash",
        "preprocess.max_pixels": 1000,
        "splits.test_fraction": 0.5,
        "splits.file": "s.csv",
        "splits.test_files": "t.txt",
        "splits.group_by": "folder",
        "splits.group_level": 2,
        "splits.group_regex": "(a)",
        "splits.group_csv": "g.csv",
        "splits.near_duplicate_bits": 3,
        "features.backbone": "resnet18",
        "features.backbone_weights": "w.safetensors",
        "features.resolution": 320,
        "features.views": "flip",
        "features.engine": "torch",
        "features.precision": "f32",
        "svm.c_grid": [0.5, 2.0],
        "svm.folds": 3,
        "svm.class_weight": "none",
        "svm.normalize": False,
        "refinement.depth": "last-2-stages",
        "refinement.epochs": 3,
        "refinement.trainings": 3,
        "refinement.batch_size": 8,
        "refinement.accumulate": 2,
        "refinement.max_images_per_epoch": 100,
        "refinement.optimizer": "sgd",
        "refinement.learning_rate": 0.01,
        "refinement.schedule": "step",
        "refinement.warm_up": 0.0,
        "refinement.steps": [0.25, 0.75],
        "refinement.momentum": 0.5,
        "refinement.weight_decay": 0.0005,
        "refinement.layer_decay": 0.9,
        "refinement.dropout": 0.5,
        "refinement.label_smoothing": 0.05,
        "refinement.balance": "weights",
        "refinement.start": "random",
        "refinement.augment": "trivial",
        "refinement.smallest_crop": 0.5,
        "refinement.flip": "none",
        "refinement.mixup": 0.2,
        "refinement.cutmix": 1.0,
        "refinement.ema": 0.9,
        "refinement.freeze_norm": False,
        "refinement.views": 2,
        "refinement.cache_gb": 0.5,
        "refinement.validation_fraction": 0.3,
        "refinement.patience": 4,
        "refinement.precision": "f32",
        "refinement.device": "cpu",
        "refinement.compile": "never",
        "tuning.backbones": ["resnet18", "efficientnet_lite0"],
        "tuning.resolutions": [96, 128],
        "tuning.views": ["one"],
        "tuning.classifiers": ["svm"],
        "tuning.learning_rates": [0.01, 0.02],
        "tuning.epochs": [1, 2],
        "tuning.minutes": 2.5,
        "tuning.folds": 3,
        "collection.contact": "https://example.org/photos",
        "collection.concurrency": 9,
        "collection.per_host": 2,
        "collection.timeout": 4.5,
        "collection.retries": 1,
        "collection.max_wait": 3.5,
        "collection.max_bytes": 1000,
        "collection.max_pixels": 10_000,
        "collection.min_side": 16,
        "collection.max_side": 500,
        "collection.noai": False,
        "collection.allow_private": True,
        "collection.providers": ["flickr"],
        "collection.mirrors": ["wikimedia=https://wiki.example.org/w/api.php"],
        "collection.licence": ["cc0", "by"],
        "collection.per_query": 7,
        "evaluation.confidence": 0.9,
        "evaluation.bootstrap": 100,
        "evaluation.wanted_precision": 0.8,
        "evaluation.report_images": 3,
        "service.host": "::1",
        "service.port": 9000,
        "service.token": "a token of the test",
        "service.hosts": ["photos.example.org", "localhost:9000"],
        "service.workers": 3,
        "service.queue": 5,
        "service.max_body": 7,
        "service.max_images": 9,
        "service.max_pixels": 1000,
        "service.read_timeout": 2.5,
        "service.decode_timeout": 3.5,
        "service.drain": 1.5,
        "service.grace": 4.5,
        "service.access_log": False,
        "service.precision": "f32",
        "tracking.uri": "sqlite:///x.db",
        "tracking.experiment": "e",
    }
    assert list(every) == [parameter.name for parameter in parameters()]
    changed = {name: value for name, value in every.items() if name not in APART}
    if apart:
        changed = {apart: every[apart], **APART[apart]}
    from_flags = load_config(NOWHERE, {}, changed)
    variables = {
        f"GINGHAM_{name.upper().replace('.', '__')}": ",".join(map(str, value))
        if isinstance(value, list)
        else str(value)
        for name, value in changed.items()
    }
    assert load_config(NOWHERE, variables) == from_flags
    file = tmp_path / "gingham.toml"
    file.write_text(to_toml(from_flags))
    assert load_config(file) == from_flags
    flat = {name: value for name, value in changed.items() if name not in ("classifier", "executor")}
    for name, value in flat.items():
        head, _, key = name.rpartition(".")
        table = tomllib.loads(file.read_text())
        assert (table[head] if head else table)[key] == value
        assert value != next(p.default for p in parameters() if p.name == name)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        pytest.param({"svm.fold": 3}, r"no parameter `svm.fold`. Did you mean `folds`\?", id="misspelt key"),
        pytest.param({"folds": 3}, r"Did you mean `svm.folds`\?", id="key without its table"),
        pytest.param({"svn.folds": 3}, r"Did you mean `svm`\?", id="misspelt table"),
        pytest.param({"svm": 3}, r"`svm` must be a table", id="value for a table"),
        pytest.param({"svm.folds.x": 3}, r"`svm.folds` cannot be", id="table for a value"),
        pytest.param({"svm.folds": 1}, r"`svm.folds` cannot be 1. Allowed: a whole number from 2", id="out of range"),
        pytest.param({"svm.folds": "many"}, r"cannot be 'many'", id="wrong type"),
        pytest.param({"svm.c_grid": [0]}, r"every C must be greater than 0", id="zero C"),
        pytest.param({"svm.c_grid": []}, r"`svm.c_grid` cannot be \[\]", id="no C"),
        pytest.param({"svm.c_grid": ["nan"]}, r"`svm.c_grid` cannot be", id="C that is no number"),
        pytest.param({"features.resolution": 100}, r"divisible by 32", id="odd resolution"),
        pytest.param({"features.resolution": 64}, r"from 96 to 1,024", id="small resolution"),
        pytest.param({"classifier": "cnn"}, r"Allowed: svm \| dnn \| svm-refined", id="unknown classifier"),
        pytest.param({"refinement.depth": "last-0-stages"}, r"Allowed: auto \| head \| last-N", id="no such depth"),
        pytest.param({"refinement.steps": [1.5]}, r"above 0 and below 1", id="a step after the end"),
        pytest.param({"preprocess.fit": "stretch"}, r"Allowed: crop \| squash", id="unknown fit"),
    ],
)
def test_wrong_parameters_are_refused_in_words(overrides: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(NOWHERE, {}, overrides)
    assert "It came from the command." in str(caught.value)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        pytest.param({"file": "a.csv", "test_files": "b.txt"}, "not both", id="two lists"),
        pytest.param({"group_csv": "g.csv"}, r"no effect.*--splits.group_by csv", id="a file, no grouping by it"),
        pytest.param({"group_by": "folder", "group_regex": "(a)"}, r"--splits.group_by regex", id="another grouping"),
        pytest.param({"group_level": 2}, r"--splits.group_by folder", id="a level, no grouping by folder"),
        pytest.param({"group_by": "csv"}, r"--splits.group_csv groups.csv", id="grouping by no file"),
    ],
)
def test_settings_of_which_one_would_have_no_effect_are_refused(overrides: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(NOWHERE, {}, {"splits": overrides})


def test_the_message_names_the_source(tmp_path: Path) -> None:
    file = tmp_path / "gingham.toml"
    file.write_text("[svm]\nfold = 3\n")
    with pytest.raises(ConfigError, match="gingham.toml"):
        load_config(file)
    with pytest.raises(ConfigError, match="the environment"):
        load_config(NOWHERE, {"GINGHAM_SVM__FOLD": "3"})


@pytest.mark.parametrize(
    "content",
    [pytest.param(b"[svm\nfolds=3", id="broken"), pytest.param(b"\xff\xfe\x00", id="not text")],
)
def test_broken_toml_is_refused_with_its_name(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "gingham.toml"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=r"gingham.toml is not valid TOML"):
        load_config(file)


@pytest.mark.parametrize(
    ("in_file", "variables", "flags", "expected"),
    [
        pytest.param("", {}, {"preset": "balanced"}, (f"{LITE}0+{LITE}1", 224), id="a flag"),
        pytest.param("", {"GINGHAM_PRESET": "balanced"}, {}, (f"{LITE}0+{LITE}1", 224), id="a variable"),
        pytest.param('preset = "balanced"', {}, {}, (f"{LITE}0+{LITE}1", 224), id="the file"),
        pytest.param('preset = "accurate"', {}, {"preset": "fast"}, (f"{LITE}0", 224), id="a flag over the file"),
        pytest.param("", {}, {"preset": "fast", "features.resolution": 320}, (f"{LITE}0", 320), id="a flag beside it"),
        pytest.param(
            "features.resolution = 448", {}, {"preset": "fast"}, (f"{LITE}0", 224), id="over what the file says"
        ),
        pytest.param(
            'preset = "fast"\nfeatures.resolution = 224', {}, {}, (f"{LITE}0", 224), id="its own values beside it"
        ),
        pytest.param('preset = "none"\nfeatures.resolution = 96', {}, {}, (f"{LITE}0", 96), id="none"),
    ],
)
def test_a_preset_stands_for_its_values_where_it_is_named(
    tmp_path: Path, in_file: str, variables: dict[str, str], flags: dict[str, Any], expected: tuple[str, int]
) -> None:
    file = tmp_path / "gingham.toml"
    file.write_text(in_file)
    features = load_config(file, variables, flags).features
    assert (features.backbone, features.resolution) == expected


def test_a_file_that_contradicts_its_own_preset_is_refused_and_says_where(tmp_path: Path) -> None:
    file = tmp_path / "gingham.toml"
    file.write_text(to_toml().replace('preset = "none"', 'preset = "accurate"'))
    with pytest.raises(ConfigError, match=r"names the preset accurate, .* features.backbone, features.resolution. Del"):
        load_config(file)


@pytest.mark.parametrize(
    ("flags", "bears"),
    [
        ({"preset": "fast"}, "fast"),
        ({"preset": "fast", "features.resolution": 320}, "none"),
        ({"preset": "fast", "features.resolution": 224}, "fast"),
    ],
)
def test_what_is_no_longer_a_preset_does_not_bear_its_name(flags: dict[str, Any], bears: str) -> None:
    assert load_config(NOWHERE, {}, flags).preset == bears


def test_networks_that_are_joined_have_one_name(tmp_path: Path) -> None:
    file = tmp_path / "gingham.toml"
    file.write_text('[features]\nbackbone = "a + b"\n[tuning]\nbackbones = ["a +b", " c", "a+b"]')
    config = load_config(file)
    assert (config.features.backbone, config.tuning.backbones) == ("a+b", ("a+b", "c"))
    assert load_config(file, {}, {"tuning.backbones": "c, a + b"}).tuning.backbones == ("c", "a+b")


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_can_be_had(name: str) -> None:
    features = load_config(NOWHERE, {}, {"preset": name}).features
    assert load_composed(features.backbone, None, features.resolution, features.views).n_features >= 1280


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"tuning.resolutions": [224, 100]}, r"100 is not divisible by 32"),
        ({"tuning.views": ["one", "two"]}, r"two is none of one, flip, crops, crops-and-flips"),
        ({"tuning.classifiers": ["cnn"]}, r"cnn is none of svm, dnn"),
        ({"tuning.epochs": [0]}, r"every one must be greater than 0"),
        ({"tuning.backbones": []}, r"`tuning.backbones` cannot be \[\]"),
        ({"preset": "best"}, r"Allowed: none \| fast \| balanced \| accurate"),
        ({"preset": "Balancd"}, r"Did you mean `balanced`\?"),
        ({"features.views": "flips"}, r"Did you mean `flip`\?"),
        ({"preset": ["fast"]}, r"`preset` cannot be \['fast'\]"),
    ],
)
def test_what_cannot_be_tried_is_refused(given: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        load_config(NOWHERE, {}, given)
