"""The service as its users start it: through settings, and stopped in good order."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.serve.process import ServiceProcess


@contextmanager
def running(model: Path, folder: Path, *flags: str, **variables: str) -> Iterator[ServiceProcess]:
    """Serve a model until the end of the block; then it must end with status 0 and have met no bug.

    Parameters
    ----------
    model : Path
    folder : Path
        For its log.
    flags : str
        Of the command line.
    variables : str
        Of the environment, which holds no other variables of Gingham's.
    """
    unset = [f"--unset={name}" for name in os.environ if name.startswith("GINGHAM_")]
    through = ["env", *unset, *(f"{name}={value}" for name, value in variables.items())]
    with ServiceProcess(model, folder, *flags, through=through) as service:
        yield service
        assert service.end() == 0, service.log
        assert not service.events("bug"), service.log
