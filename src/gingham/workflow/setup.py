"""What begins a project: its parameters file, and the example dataset."""

from __future__ import annotations

import os
import shlex
import time
from pathlib import Path

from gingham.config import Config, to_toml
from gingham.errors import UsageError
from gingham.executors import usable_cpus
from gingham.project import ProjectFolder, write_whole
from gingham.project.files import user_path
from gingham.workflow.results import InitResult, SampleResult
from gingham.workflow.steps import Progress, Steps

__all__ = ["init", "sample"]


def init(folder: ProjectFolder, config: Config, images: str | os.PathLike[str] | None) -> InitResult:
    """Write ``gingham.toml`` with every parameter, its value and one line of help; ``images`` becomes its dataset.

    Raises
    ------
    UsageError
        If there is one already: it holds somebody's settings; or if ``images`` is not a folder.
    """
    if folder.config_file.exists():
        raise UsageError(
            f"{folder.config_file} is there already. Edit it, or move it away and run `gingham init` again."
        )
    if images is not None:
        steps = Steps(folder, config, images)
        if not steps.root.is_dir():
            raise UsageError(f"{steps.root} is not a folder. Give the folder with one sub-folder of images per class.")
        config = config.model_copy(update={"dataset": steps.name})
    write_whole(folder.config_file, to_toml(config))
    return InitResult(folder.config_file, config.dataset)


def sample(
    folder: ProjectFolder, config: Config, directory: str | os.PathLike[str] | None, progress: Progress | None
) -> SampleResult:
    """Write the example dataset into ``directory``, by default the project's dataset.

    Raises
    ------
    UsageError
        If the folder holds other images already.
    """
    from gingham.collect.sample import render_sample

    began = time.perf_counter()
    target = folder.dataset(config.dataset) if directory is None else user_path(directory).absolute()
    report = (lambda done, total: progress("sample", done, total)) if progress else None
    summary = render_sample(target, seed=config.seed, workers=usable_cpus(), progress=report)
    here = folder.root == Path.cwd()
    return SampleResult(
        directory=target,
        command=shlex.join(
            ["gingham", "run", *([] if directory is None else [str(directory)])]
            + ([] if here else ["--project", str(folder.root)])
        ),
        images=sum(summary.images.values()),
        per_class=dict(summary.images),
        megabytes=round(summary.size / 1e6, 1),
        seconds=round(time.perf_counter() - began, 3),
    )
