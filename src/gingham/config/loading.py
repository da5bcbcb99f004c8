"""Parameters from ``gingham.toml``, then ``GINGHAM_*`` variables, then flags or keyword arguments; the later wins."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gingham.config.describing import dotted_name, explain
from gingham.config.presets import PRESETS, expand
from gingham.config.tables import Config, Splits
from gingham.errors import ConfigError

__all__ = ["CONFIG_NAME", "dotted", "load_config"]

CONFIG_NAME = "gingham.toml"
ENVIRONMENT_PREFIX = "GINGHAM_"
NOT_PARAMETERS = frozenset({"GINGHAM_TEST_DATA", "GINGHAM_TEST_FULL", "GINGHAM_TEST_STRICT"})  # read by the test suite


def load_config(
    file: Path, environment: Mapping[str, str] | None = None, overrides: Mapping[str, Any] | None = None
) -> Config:
    """Merge file, environment and overrides into a checked configuration.

    Parameters
    ----------
    file : Path
        ``gingham.toml``; need not exist.
    environment : mapping of str to str, optional
        ``GINGHAM_SVM__FOLDS=3`` sets ``svm.folds``. Variables that do not start with ``GINGHAM_`` are ignored.
    overrides : mapping, optional
        Nested (``{"svm": {"folds": 3}}``) or dotted (``{"svm.folds": 3}``).

    A preset stands for its values where it is named: flags that say otherwise win, and so does a flag that names a
    preset over what the file says.

    Raises
    ------
    ConfigError
        For an unknown key, naming the nearest known one; for a value that is not allowed; for broken TOML.
    """
    in_file = _read_toml(file)
    _refuse_contradicted_preset(dotted(in_file), file)
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    sources = [
        (str(file), in_file),
        ("the environment", _from_environment(environment or {})),
        ("the command", overrides or {}),
    ]
    for origin, layer in sources:
        for name, value in expand(dotted(layer)).items():
            values[name] = value
            origins[name] = origin
    try:
        config = Config.model_validate(_nest(values))
    except ValidationError as error:
        first = error.errors()[0]
        name = dotted_name(first)
        origin = next((origins[n] for n in origins if n == name or n.startswith(f"{name}.")), "")
        raise ConfigError(explain(first) + (f" It came from {origin}." if origin else "")) from None
    _refuse_contradictions(config.splits)
    return _without_overruled_preset(config)


def dotted(layer: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested parameters by their dotted names.

    >>> dotted({"seed": 1, "svm": {"folds": 3}, "features.resolution": 320})
    {'seed': 1, 'svm.folds': 3, 'features.resolution': 320}
    """
    flat: dict[str, Any] = {}
    for key, value in layer.items():
        flat |= dotted(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value}
    return flat


def _refuse_contradicted_preset(in_file: Mapping[str, Any], file: Path) -> None:
    """Refuse a file that names a preset and, as written by ``init``, other values for what it stands for."""
    preset = in_file.get("preset")
    stands_for = PRESETS.get(preset, {}) if isinstance(preset, str) else {}
    if wrong := [name for name, value in stands_for.items() if in_file.get(name, value) != value]:
        raise ConfigError(
            f"{file} names the preset {preset}, and other values than its own for {', '.join(wrong)}. "
            f'Delete {"that line" if len(wrong) == 1 else "those lines"}, or set preset to "none".'
        )


def _without_overruled_preset(config: Config) -> Config:
    """Let a configuration not bear the name of a preset of which a flag has changed a value."""
    values = dotted(config.model_dump())
    if any(values[name] != value for name, value in PRESETS.get(config.preset, {}).items()):
        return config.model_copy(update={"preset": "none"})
    return config


def _refuse_contradictions(splits: Splits) -> None:
    """Refuse settings of which one would silently have no effect; only file, environment and flags together show it."""
    if splits.file and splits.test_files:
        raise ConfigError("Give `splits.file` or `splits.test_files`, not both.")
    if splits.group_by == "csv" and not splits.group_csv:
        raise ConfigError("`splits.group_by` is csv, but which file? Type: --splits.group_csv groups.csv")
    given = {"folder": splits.group_level != 1, "regex": splits.group_regex, "csv": splits.group_csv}
    names = {"folder": "group_level", "regex": "group_regex", "csv": "group_csv"}
    for kind, name in names.items():
        if given[kind] and splits.group_by != kind:
            raise ConfigError(
                f'`splits.{name}` has no effect while `splits.group_by` is "{splits.group_by}". '
                f"Type: --splits.group_by {kind}"
            )


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is not valid TOML: {error}. `gingham init` writes a correct one.") from None
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}.") from None


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    return {
        name.removeprefix(ENVIRONMENT_PREFIX).lower().replace("__", "."): value
        for name, value in sorted(environment.items())
        if name.startswith(ENVIRONMENT_PREFIX) and name not in NOT_PARAMETERS
    }


def _nest(flat: Mapping[str, Any]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for name, value in flat.items():
        *tables, key = name.split(".")
        inner = nested
        for table in tables:
            child = inner.setdefault(table, {})
            if not isinstance(child, dict):
                raise ConfigError(f"`{table}` is a value, not a table, so `{name}` cannot be set.")
            inner = child
        inner[key] = value
    return nested
