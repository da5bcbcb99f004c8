"""Every parameter, its default and one line of help: the one place.

``gingham init``, ``--help``, the parameters page of the docs and the studio's forms are made from these models.
Values come from ``gingham.toml``, then ``GINGHAM_*`` variables, then flags or keyword arguments; the later wins.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import ErrorDetails

from gingham.errors import ConfigError, did_you_mean
from gingham.records import Fit

__all__ = ["CONFIG_NAME", "Config", "explain", "explain_unknown", "load_config", "parameters", "to_toml"]

CONFIG_NAME = "gingham.toml"
ENVIRONMENT_PREFIX = "GINGHAM_"
NOT_PARAMETERS = frozenset({"GINGHAM_TEST_DATA", "GINGHAM_TEST_STRICT"})  # read by the test suite


def _split_commas(value: Any) -> Any:
    """Let ``"0.1,1,10"``, from a flag or the environment, stand for a list."""
    if isinstance(value, str):
        value = [value]
    if isinstance(value, list | tuple):
        return [part.strip() if isinstance(part, str) else part
                for item in value
                for part in (item.strip("[] ").split(",") if isinstance(item, str) else [item])
                if part != ""]  # fmt: skip
    return value


Numbers = Annotated[tuple[float, ...], BeforeValidator(_split_commas)]
Words = Annotated[tuple[str, ...], BeforeValidator(_split_commas)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Preprocess(_Table):
    """How an image becomes the network's square input."""

    fit: Fit = Field("crop", description="crop: the centre of the image; squash: the whole image, made square")
    max_pixels: int = Field(
        89_478_485,  # = gingham.images.MAX_PIXELS, a floor above
        ge=1,
        description="An image that claims more pixels is skipped as too_large before it is decoded",
    )


class Splits(_Table):
    """Which images train and which test."""

    test_fraction: float = Field(
        0.25, gt=0, lt=1, description="Share of each class that is kept for testing; the rest trains"
    )
    file: str = Field(
        "",
        description="CSV with the columns path,split (train, val, test); empty: splits.csv in the dataset, if any",
    )
    test_files: str = Field("", description="Text file that lists the test images, one path a line; all others train")
    group_by: Literal["", "folder", "regex", "csv"] = Field(
        "",
        description="What else keeps images on one side: folder (below the class), regex (on the path) or csv",
    )
    group_level: int = Field(1, ge=1, description="group_by = folder: how many folder levels below the class")
    group_regex: str = Field(
        "", description="group_by = regex: its first group, or the group named `group`, is the key"
    )
    group_csv: str = Field("", description="group_by = csv: a file with the columns path,group")
    near_duplicate_bits: int = Field(
        12,
        ge=0,
        le=64,
        description="Images whose 256-bit hashes differ in at most so many bits stay on one side",
    )


class Features(_Table):
    """The pretrained network, as a fixed featurizer."""

    backbone: str = Field(
        "efficientnet_lite0",
        min_length=1,
        description="efficientnet_lite0, _lite1, _lite2, or any timm name such as resnet18",
    )
    backbone_weights: str = Field(
        "", description="A local weights file (.safetensors, .pth); empty: the backbone's own"
    )
    resolution: int = Field(224, ge=96, le=1024, multiple_of=32, description="Side of the network's input in pixels")
    engine: Literal["auto", "openvino", "torch", "onnxruntime"] = Field(
        "auto", description="What runs the network; auto: torch on a GPU, OpenVINO on a CPU"
    )
    precision: Literal["auto", "bf16", "f32"] = Field(
        "auto", description="auto: bf16 where the processor has it, else f32"
    )


class Svm(_Table):
    """The linear support vector machine on the features."""

    c_grid: Numbers = Field(
        (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0),
        min_length=1,
        description="Values of C to try; cross-validation inside the training set chooses",
    )
    folds: int = Field(5, ge=2, le=100, description="Folds of that cross-validation")
    class_weight: Literal["balanced", "none"] = Field(
        "balanced", description="balanced: a rare class weighs as much as a frequent one"
    )
    normalize: bool = Field(True, description="Scale each image's features to unit length")

    @field_validator("c_grid")
    @classmethod
    def _positive(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if any(c <= 0 for c in value):
            raise ValueError("every C must be greater than 0")
        return tuple(sorted(set(value)))


class Evaluation(_Table):
    """How the answer is measured and reported."""

    confidence: float = Field(0.95, gt=0.5, lt=1, description="Confidence of every interval")
    bootstrap: int = Field(2000, ge=100, le=100_000, description="Resamplings behind the bootstrap intervals")
    wanted_precision: float = Field(
        0.95,
        gt=0,
        lt=1,
        description="Predictions less sure than this precision needs are answered with 'not sure'",
    )
    report_images: int = Field(
        24, ge=0, le=200, description="Thumbnails of mistakes, and of unsure hits, in the report"
    )


class Tracking(_Table):
    """The mirror of the run history in MLflow."""

    uri: str = Field(
        "",
        description="MLflow tracking URI; sqlite:///FILE is in the project; empty: MLFLOW_TRACKING_URI, else no mirror",
    )
    experiment: str = Field("", description="MLflow experiment; empty: the name of the dataset")


class Service(_Table):
    """The REST service, `gingham serve`."""

    host: str = Field(
        "127.0.0.1", min_length=1, description="Address to listen on; wider than this machine only with a token"
    )
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0: any free one")
    token: str = Field(
        "", description="What clients must send as a bearer token; better as GINGHAM_SERVICE__TOKEN than as a flag"
    )
    hosts: Words = Field(
        (), description="Further names (with :port) by which clients may call it, such as photos.example.org:8000"
    )
    workers: int = Field(0, ge=0, le=256, description="Decoding processes; 0: one more than processors")
    queue: int = Field(64, ge=1, le=100_000, description="Images that may wait; more are answered 503, try again later")
    max_body: int = Field(32, ge=1, le=1024, description="Largest request, in MiB")
    max_images: int = Field(64, ge=1, le=10_000, description="Most images in one request")
    max_pixels: int = Field(89_478_485, ge=1, description="An image that claims more pixels is refused")
    read_timeout: float = Field(
        10.0, gt=0, le=3600, description="Seconds in which a request must arrive, and 1 more for each 10 kB of it"
    )
    decode_timeout: float = Field(10.0, gt=0, le=3600, description="Seconds that decoding an image may take")
    drain: float = Field(
        0.0, ge=0, le=3600, description="Seconds for which it goes on accepting, not ready, once told to stop"
    )
    grace: float = Field(25.0, gt=0, le=3600, description="Seconds in which it then finishes what it has begun")
    access_log: bool = Field(True, description="Write a JSON line to standard error for each request")
    precision: Literal["auto", "bf16", "f32"] = Field(
        "auto", description="What the network is computed in; auto: as in training, or f32 without a bf16 processor"
    )


class Config(_Table):
    """All parameters of a project."""

    dataset: str = Field(
        "images/sample", min_length=1, description="The folder that holds one sub-folder of images per class"
    )
    classifier: Literal["svm"] = Field("svm", description="svm: fixed backbone + linear SVM")
    seed: int = Field(0, ge=0, le=2**31 - 1, description="Seed of everything that is drawn at random")
    executor: Literal["local"] = Field("local", description="Where the work is done; local: on this machine")
    preprocess: Preprocess = Field(default_factory=Preprocess, description=Preprocess.__doc__)
    splits: Splits = Field(default_factory=Splits, description=Splits.__doc__)
    features: Features = Field(default_factory=Features, description=Features.__doc__)
    svm: Svm = Field(default_factory=Svm, description=Svm.__doc__)
    evaluation: Evaluation = Field(default_factory=Evaluation, description=Evaluation.__doc__)
    service: Service = Field(default_factory=Service, description=Service.__doc__)
    tracking: Tracking = Field(default_factory=Tracking, description=Tracking.__doc__)


class Parameter(BaseModel):
    """One row of the parameters table: its dotted name, default, help, and what is allowed in words."""

    name: str
    default: Any
    help: str
    allowed: str


def parameters() -> Iterator[Parameter]:
    """Yield every parameter, in the order of the file.

    >>> next(parameters()).name
    'dataset'
    """
    schema = Config.model_json_schema()
    for prefix, model in _tables():
        properties = (schema["$defs"][model.__name__] if prefix else schema)["properties"]
        for name, field in model.model_fields.items():
            if _table_of(model, name) is None:
                default = json.loads(model.model_construct().model_dump_json(include={name}))[name]
                yield Parameter(
                    name=prefix + name,
                    default=default,
                    help=field.description or "",
                    allowed=_allowed(properties[name]),
                )


def _tables() -> Iterator[tuple[str, type[BaseModel]]]:
    yield "", Config
    for name in Config.model_fields:
        if (table := _table_of(Config, name)) is not None:
            yield f"{name}.", table


def _table_of(model: type[BaseModel], name: str) -> type[BaseModel] | None:
    kind = model.model_fields[name].annotation
    return kind if get_origin(kind) is None and isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _allowed(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return " | ".join(value or '""' for value in schema["enum"])
    if "const" in schema:
        return str(schema["const"])
    words = {"integer": "a whole number", "number": "a number", "string": "text", "boolean": "true or false"}
    of_words = schema.get("items", {}).get("type") == "string"
    lists = "a list of names" if of_words else "a list of numbers, each greater than 0"
    text = words.get(schema.get("type", ""), lists)
    bounds = [
        (f"from {schema['minimum']:,}" if "minimum" in schema else ""),
        (f"above {schema['exclusiveMinimum']:g}" if "exclusiveMinimum" in schema else ""),
        (f"to {schema['maximum']:,}" if "maximum" in schema else ""),
        (f"below {schema['exclusiveMaximum']:g}" if "exclusiveMaximum" in schema else ""),
        (f"divisible by {schema['multipleOf']}" if "multipleOf" in schema else ""),
    ]
    return " ".join([text, *filter(None, bounds)])


def to_toml(config: Config | None = None) -> str:
    """Write a configuration as commented TOML, every parameter with its line of help.

    >>> print(to_toml().splitlines()[3])
    dataset = "images/sample"
    """
    values = (config or Config()).model_dump(mode="json")
    lines = [
        "# Parameters of this Gingham project. Any of them can also be a GINGHAM_* variable or a flag.",
        "",
    ]
    table = ""
    for parameter in parameters():
        head, _, name = parameter.name.rpartition(".")
        if head != table:
            table = head
            lines += [f"[{head}]  # {(getattr(Config.model_fields[head], 'description', '') or '').rstrip('.')}"]
        value = values[head][name] if head else values[name]
        lines += [
            f"# {parameter.help}  ({parameter.allowed})",
            f"{name} = {json.dumps(value, ensure_ascii=False)}",
            "",
        ]
    return "\n".join(lines)


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

    Raises
    ------
    ConfigError
        For an unknown key, naming the nearest known one; for a value that is not allowed; for broken TOML.
    """
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    sources = [
        (str(file), _read_toml(file)),
        ("the environment", _from_environment(environment or {})),
        ("the command", overrides or {}),
    ]
    for origin, layer in sources:
        for name, value in _flatten(layer):
            values[name] = value
            origins[name] = origin
    try:
        config = Config.model_validate(_nest(values))
    except ValidationError as error:
        first = error.errors()[0]
        name = _dotted(first)
        origin = next((origins[n] for n in origins if n == name or n.startswith(f"{name}.")), "")
        raise ConfigError(explain(first) + (f" It came from {origin}." if origin else "")) from None
    _refuse_contradictions(config.splits)
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


def explain(error: ErrorDetails) -> str:
    """Say in a sentence what is wrong with a parameter and what is allowed."""
    name = _dotted(error)
    if error["type"] == "extra_forbidden":
        return explain_unknown(name)
    known = {parameter.name: parameter for parameter in parameters()}
    if name in known:
        came = error["input"] if len(str(error["input"])) < 80 else "the value given"
        why = f" ({error['ctx']['error']})" if error["type"] == "value_error" else ""
        return f"`{name}` cannot be {came!r}{why}. Allowed: {known[name].allowed}."
    return f"`{name}` must be a table, such as [{name}], not {error['input']!r}."


def explain_unknown(name: str) -> str:
    """Say that there is no such parameter, and which ones there are.

    >>> explain_unknown("svm.fold").partition("?")[0]
    'There is no parameter `svm.fold`. Did you mean `folds`'
    """
    table, _, key = name.rpartition(".")
    known = [parameter.name for parameter in parameters()]
    siblings = [other.rpartition(".")[2] for other in known if other.rpartition(".")[0] == table]
    tables = [] if table else [prefix.rstrip(".") for prefix, _ in _tables() if prefix]
    elsewhere = [other for other in known if other.rpartition(".")[2] == key]
    nearest = f" Did you mean `{elsewhere[0]}`?" if elsewhere else ""
    nearest = nearest or did_you_mean(key, siblings + tables) or did_you_mean(name, known)
    where = f" in [{table}]" if table and siblings else ""
    return f"There is no parameter `{name}`.{nearest} Known{where}: {', '.join(siblings + tables or known)}."


def _dotted(error: ErrorDetails) -> str:
    names = {p.name for p in parameters()}
    parts: list[str] = []
    for part in error["loc"]:
        if ".".join(parts) in names or not isinstance(part, str):
            break
        parts.append(part)
    return ".".join(parts)


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


def _flatten(layer: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in layer.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


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
