"""Run one command: every error becomes a sentence and an exit status, every result goes where it was asked for."""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
import threading
import traceback
from collections.abc import Sequence

from cyclopts import CycloptsError, UnknownOptionError, UnusedCliTokensError
from pydantic import ValidationError

from gingham.config import explain, explain_unknown, parameters
from gingham.errors import ConfigError, GinghamError, UnavailableError, UsageError

__all__ = ["execute", "report"]

INTERRUPTED = 130
HELP = "`gingham --help` lists the commands, `gingham COMMAND --help` its options."


def execute(arguments: Sequence[str]) -> int:
    """Run the command that ``arguments`` spell, and return its exit status.

    0 done; 2 wrong usage or configuration; 3 the data cannot be used; 4 something is not installed or not found;
    1 a bug; 130 interrupted.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    sys.unraisablehook = _interrupt_again
    as_json = "--json" in arguments
    try:
        from gingham.cli.commands import app

        status = app(list(arguments), exit_on_error=False, print_error=False, result_action="return_value")
    except KeyboardInterrupt:
        print("\nStopped. What was finished is kept; the same command goes on from there.", file=sys.stderr)  # noqa: T201
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (GinghamError, CycloptsError, ValidationError, OSError) as error:
        return report(_as_gingham_error(error), as_json)
    except Exception as error:
        if _was_interrupted(error):
            return INTERRUPTED
        traceback.print_exc()
        message = f"This is a bug in Gingham, not your mistake: {type(error).__name__}: {error}"
        return report(GinghamError(message), as_json)
    return status if isinstance(status, int) else 0


def _was_interrupted(error: BaseException | None) -> bool:
    """Tell whether Ctrl-C is behind an error, as where a library that was being loaded reports it as its own."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def _interrupt(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _interrupt_again(lost: sys.UnraisableHookArgs) -> None:
    """Repeat an interruption that fell into a destructor or a weak reference's callback, where Python drops it."""
    if issubclass(lost.exc_type, KeyboardInterrupt):
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGTERM)).start()
    else:
        sys.__unraisablehook__(lost)


def _as_gingham_error(error: Exception) -> GinghamError:
    if isinstance(error, GinghamError):
        return error
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return UnavailableError(f"{where}{error.strerror or error}.")
    causes: list[BaseException | None] = [error, error.__cause__, error.__context__]
    invalid = next((cause for cause in causes if isinstance(cause, ValidationError)), None)
    if invalid is not None:
        return ConfigError(explain(invalid.errors()[0], invalid.title))
    if isinstance(error, UnknownOptionError) and error.token:
        name = error.token.value.partition("=")[0].lstrip("-").replace("-", "_")
        if "." in name:
            return ConfigError(explain_unknown(name))
        if full := [parameter.name for parameter in parameters() if parameter.name.endswith(f".{name}")]:
            return UsageError(f"There is no option --{name}. Did you mean --{full[0]}? {HELP}")
    if isinstance(error, UnusedCliTokensError):
        return UsageError(f"That is too much: {shlex.join(error.unused_tokens or [])}. {HELP}")
    message = str(error).strip()
    return UsageError(f"{message} {HELP}")


def report(error: GinghamError, as_json: bool) -> int:
    """Say what went wrong, and return the exit status."""
    print(f"gingham: {error}", file=sys.stderr)  # noqa: T201
    if as_json:
        body = {"type": type(error).__name__, "message": str(error), "exit_status": error.exit_status}
        print(json.dumps({"error": body}))  # noqa: T201
    return error.exit_status
