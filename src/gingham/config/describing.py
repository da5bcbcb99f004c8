"""Parameters in words: the table of them all, a commented file, and what is wrong with a value."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from gingham.config.tables import Config
from gingham.errors import did_you_mean

__all__ = ["Parameter", "dotted_name", "explain", "explain_unknown", "parameters", "to_toml"]


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
    if "allowed" in schema:
        return str(schema["allowed"])
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


def explain(error: ErrorDetails, model: str = "Config") -> str:
    """Say in a sentence what is wrong with a parameter and what is allowed.

    Parameters
    ----------
    error : ErrorDetails
    model : str
        Name of the model that was being made, as pydantic gives it: a table's, where a command takes only that.
    """
    tables = {table.__name__: prefix for prefix, table in _tables()}
    name = tables.get(model.removeprefix("nullable[").removesuffix("]"), "") + dotted_name(error)
    if error["type"] == "extra_forbidden":
        return explain_unknown(name)
    known = {parameter.name: parameter for parameter in parameters()}
    if name in known:
        came = error["input"] if len(str(error["input"])) < 80 else "the value given"
        why = f" ({error['ctx']['error']})" if error["type"] == "value_error" else ""
        near = ""
        if error["type"] == "literal_error" and isinstance(came, str):
            near = did_you_mean(came.casefold(), known[name].allowed.split(" | "))
        return f"`{name}` cannot be {came!r}{why}.{near} Allowed: {known[name].allowed}."
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


def dotted_name(error: ErrorDetails) -> str:
    """Return the dotted name of the parameter that an error is about."""
    names = {p.name for p in parameters()}
    parts: list[str] = []
    for part in error["loc"]:
        if ".".join(parts) in names or not isinstance(part, str):
            break
        parts.append(part)
    return ".".join(parts)
