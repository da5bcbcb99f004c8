"""Every command: what it accepts, and that it says what each of its parameters does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gingham.cli.calling import COMMON
from gingham.cli.commands import app, collect_app, label_app, runs_app
from gingham.config import Config, parameters

ARGUMENTS = {
    "nearest": ["latest", "a.jpg"],
    "deploy": ["docker"],
    "runs compare": ["a", "b"],
    "predict": ["model.onnx", "a.jpg"],
    "label import": ["annotations.csv"],
    "collect urls": ["links.csv"],
    "collect dataset": ["clothing"],
    "collect search": ["--query", "fox"],
}


def names(group: Any) -> list[str]:
    return [name for name in group if not name.startswith("-")]


WITHOUT_PARAMETERS = {
    "runs list", "runs show", "runs compare", "export", "nearest", "predict", "serve", "deploy",
    "undo", "exclude", "history", "label", *(f"label {name}" for name in names(label_app)),
    "collect urls", "collect search", "collect dataset", "collect status", "collect attribution",
}  # fmt: skip
GROUPS = {"runs": runs_app, "collect": collect_app, "label": label_app}
COMMANDS = [
    *(name for name in names(app) if name not in ("runs", "collect")),
    *(f"{group} {name}" for group, inner in GROUPS.items() for name in names(inner)),
]


def found(command: str) -> Any:
    parsed = app
    for word in command.split():
        parsed = parsed[word]
    return parsed


def test_the_main_commands_are_there() -> None:
    assert {"init", "sample", "split", "featurize", "train", "evaluate", "run", "doctor", "runs list"} <= set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_project_json_and_quiet_are_accepted_after_every_command(command: str) -> None:
    tokens = [*command.split(), *ARGUMENTS.get(command, []), "--project", "somewhere", "--json", "--quiet"]
    _, bound, _ = app.parse_args(tokens, exit_on_error=False, print_error=False)
    common = bound.arguments["common"]
    assert (common.project, common.json, common.quiet) == (Path("somewhere"), True, True)
    assert (COMMON.project, COMMON.json, COMMON.quiet) == (Path(), False, False)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_every_parameter_of_it_has_help(command: str, gingham: Any) -> None:
    shown = gingham(*command.split(), "--help")
    assert (shown.status, shown.err) == (0, "")
    parsed = found(command)
    assert parsed.help.strip()
    collection = parsed.assemble_argument_collection(parse_docstring=True)
    leaves = [argument for argument in collection if not argument.children]
    assert leaves
    for argument in leaves:
        assert argument.parameter.help, argument.names
        assert argument.parameter.help.split()[0] in shown.out


@pytest.mark.parametrize(("command", "arguments"), [("predict", "MODEL IMAGES..."), ("nearest", "RUN IMAGES...")])
def test_the_usage_line_names_the_arguments(command: str, arguments: str, gingham: Any) -> None:
    assert gingham(command, "--help").out.splitlines()[0] == f"Usage: gingham {command} [OPTIONS] {arguments}"


@pytest.mark.parametrize("command", [command for command in COMMANDS if command not in WITHOUT_PARAMETERS])
def test_every_parameter_is_a_flag_of_every_command_that_works(command: str) -> None:
    flags = {name for argument in found(command).assemble_argument_collection() for name in argument.names}
    for parameter in parameters():
        assert f"--{parameter.name.replace('_', '-')}" in flags


@pytest.mark.parametrize("command", ["collect urls", "collect search", "collect dataset"])
def test_collecting_takes_the_parameters_of_its_table(command: str) -> None:
    flags = {name for argument in found(command).assemble_argument_collection() for name in argument.names}
    for parameter in parameters():
        if parameter.name.startswith("collection."):
            assert f"--{parameter.name.removeprefix('collection.').replace('_', '-')}" in flags


def test_a_flag_may_be_spelt_as_in_the_file() -> None:
    for spelling in ("--splits.test_fraction", "--splits.test-fraction"):
        _, bound, _ = app.parse_args(["run", spelling, "0.5"], exit_on_error=False, print_error=False)
        assert bound.arguments["config"].splits.test_fraction == 0.5


def test_no_table_of_the_file_is_called_like_a_command() -> None:
    """The command line's library would take such a table for the command's own, and skip it silently."""
    tables = {parameter.name.partition(".")[0] for parameter in parameters() if "." in parameter.name}
    assert not tables & {word for command in COMMANDS for word in command.split()}


def test_the_file_is_not_skipped_whatever_the_command(tmp_path: Path, gingham: Any) -> None:
    for table in Config.model_fields:
        (tmp_path / "gingham.toml").write_text(f"[{table}]\nno_such_key = 1\n")
        refused = gingham("run", "--project", tmp_path)
        assert refused.status == 2, table
        assert table in refused.err
