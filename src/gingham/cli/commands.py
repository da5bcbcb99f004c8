"""The commands: each parses, makes one call, and renders what comes back."""

from __future__ import annotations

import json as json_module
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from gingham import __version__
from gingham.cli import render
from gingham.cli.batch import Batch, BatchOptions, predict_batch
from gingham.cli.calling import COMMON, Common, Images, Parameters, Result, call
from gingham.cli.collect import collect_app
from gingham.cli.curation import check, dedupe, learning_curve, next_up
from gingham.cli.label import add_short_forms, label_app
from gingham.cli.named_images import named_images
from gingham.cli.progress import ProgressBar
from gingham.config import Service
from gingham.project.files import refuse_unwritable, write_whole

if TYPE_CHECKING:
    from gingham.workflow import NearestResult

__all__ = ["app", "collect_app", "label_app", "runs_app"]

HELP = """From a folder of images to a trained classifier, and the truth about how good it is.

Try it: `gingham sample`, then `gingham run`. With your own images, one sub-folder per class: `gingham run FOLDER`.
"""

app = App(name="gingham", help=HELP, version=__version__, suppress_keyboard_interrupt=False)
runs_app = App(name="runs", help="List, show and compare the runs of a project.")
app.command(runs_app)
app.command(collect_app)
app.command(check)
app.command(dedupe)
app.command(next_up, name="next")
app.command(learning_curve)
app.command(label_app)
add_short_forms(app)


BATCH_OPTIONS = BatchOptions()


def _announce(common: Common, result: Result, words: Callable[[Any], str]) -> None:
    """Print that a service answers, at once; and serve on if nobody reads it."""
    try:
        print(json_module.dumps(result.to_json()) if common.json else words(result), flush=True)  # noqa: T201
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _print_batch(batch: Batch, options: BatchOptions, common: Common) -> None:
    if options.output is not None:
        write_whole(options.output, batch.to_csv())
    if common.json:
        print(json_module.dumps(batch.to_json(), ensure_ascii=True))  # noqa: T201
    else:
        print(batch.to_csv() if options.csv else render.predict(batch) + "\n", end="")  # noqa: T201
    said = [*batch.notes, *([] if common.quiet or common.json else [render.predicted(batch)])]
    print("".join(f"{line}\n" for line in said), end="", file=sys.stderr)  # noqa: T201


@app.command
def init(images: Images = None, /, *, common: Common = COMMON, config: Parameters = None) -> None:
    """Write gingham.toml: every parameter, its default, one line of help."""
    call(common, config, "init", render.init, images=images)


@app.command
def sample(directory: Path | None = None, /, *, common: Common = COMMON, config: Parameters = None) -> None:
    """Write the built-in example dataset: 428 pictures of dotted, leopard and striped garments.

    Parameters
    ----------
    directory
        Where to; without it, `dataset` of the project (images/sample).
    """
    call(common, config, "sample", render.sample, directory=directory)


@app.command
def split(images: Images = None, /, *, common: Common = COMMON, config: Parameters = None) -> None:
    """Divide the images into train and test: stratified, near-duplicates kept on one side."""
    call(common, config, "split", render.split, images=images)


@app.command
def refine(images: Images = None, /, *, common: Common = COMMON, config: Parameters = None) -> None:
    """Train the network itself on the training images, for `classifier` dnn and svm-refined.

    Ctrl-C ends it with the best epoch so far; the same command goes on from where it was.
    """
    call(common, config, "refine", render.refine, images=images)


@app.command
def featurize(
    images: Images = None, /, *, output: Path | None = None, common: Common = COMMON, config: Parameters = None
) -> None:
    """Compute the features of every image with the pretrained network.

    Parameters
    ----------
    output
        Also write the float32 matrix, paths and labels to this .npz file.
    """
    call(common, config, "featurize", render.featurize, images=images, output=output)


@app.command
def train(images: Images = None, /, *, common: Common = COMMON, config: Parameters = None) -> None:
    """Train the classifier; cross-validation inside the training set chooses C."""
    call(common, config, "train", render.train, images=images)


@app.command
def evaluate(images: Images = None, /, *, common: Common = COMMON, config: Parameters = None) -> None:
    """Measure the classifier on the test images, with intervals."""
    call(common, config, "evaluate", render.evaluate, images=images)


@app.command
def run(images: Images = None, /, *, common: Common = COMMON, config: Parameters = None) -> None:
    """Do all that is not yet up to date, then write a report. This is the main job."""
    call(common, config, "run", render.run, images=images)


@app.command
def tune(
    images: Images = None,
    /,
    *,
    quick: Annotated[bool, Parameter(negative="")] = False,
    minutes: float | None = None,
    common: Common = COMMON,
    config: Parameters = None,
) -> None:
    """Compare networks, resolutions and classifiers by accuracy, time and size, and run the recommended one.

    The test images take no part in the choice: only that run meets them. The same command goes on from where it was,
    and compares all that was measured for the same images.

    Parameters
    ----------
    quick
        Compare networks and resolutions with the SVM only.
    minutes
        Time to search in, instead of `tuning.minutes`.
    """
    call(common, config, "tune", render.tune, images=images, quick=quick, minutes=minutes)


@runs_app.command(name="list")
def runs_list(*, common: Common = COMMON) -> None:
    """List the runs, newest first."""
    call(common, None, "runs", render.runs)


@runs_app.command(name="show")
def runs_show(run: str = "latest", /, *, common: Common = COMMON) -> None:
    """Show one run.

    Parameters
    ----------
    run
        Its id, the beginning of its id, or `latest`.
    """
    call(common, None, "show", render.show, run=run)


@runs_app.command(name="compare")
def runs_compare(a: str = "previous", b: str = "latest", /, *, common: Common = COMMON) -> None:
    """Compare two runs on the same test images: metrics, parameters, significance, images that flipped.

    Parameters
    ----------
    a
        Id of a run, or the beginning of one.
    b
        Id of another run, the beginning of one, or `latest`.
    """
    call(common, None, "compare", render.compare, a=a, b=b)


@app.command
def export(
    run: str = "latest",
    /,
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"])] = Path("model.onnx"),
    precision: Literal["f32", "f16"] = "f32",
    with_resize: Annotated[bool, Parameter(negative="")] = False,
    common: Common = COMMON,
) -> None:
    """Write a run's model as one ONNX file, after proving that it answers as the run was trained to.

    Parameters
    ----------
    run
        Its id, the beginning of its id, or `latest`.
    output
        The file to write.
    precision
        f16 halves the file; what it is computed in stays as it was.
    with_resize
        Take one picture of any size and resize it inside, for programs that cannot; not for `serve` and `predict`.
    """
    call(common, None, "export", render.export, run=run, output=output, precision=precision, with_resize=with_resize)


@app.command
def serve(
    model: Path = Path("latest"),
    /,
    *,
    service: Annotated[Service | None, Parameter(name="*", group="Service")] = None,
    common: Common = COMMON,
) -> None:
    """Answer requests for predictions over HTTP, with a page to drop images on, until Ctrl-C.

    Parameters
    ----------
    model
        A model file, or the run of the project whose model is meant: its id, or `latest`.
    """
    from gingham.api import Project
    from gingham.serve.server import serve as run_server

    overrides = {"service": service.model_dump(exclude_unset=True)} if service else {}
    project = Project(common.project, environment=os.environ)
    settings = project.parameters(overrides).service
    run_server(project.model_file(model), settings, lambda opened: _announce(common, opened, render.serve))


@app.command
def deploy(
    kind: Literal["docker", "compose", "kubernetes", "mlflow"],
    model: Path = Path("latest"),
    /,
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"])] = Path("deployment"),
    name: str | None = None,
    image: str | None = None,
    force: Annotated[bool, Parameter(negative="")] = False,
    common: Common = COMMON,
) -> None:
    """Write all that runs a model elsewhere: in a container, in a cluster, on a platform that takes MLflow models.

    Parameters
    ----------
    kind
        docker: an image; compose: that, and a service with a token of its own; kubernetes: that for a cluster;
        mlflow: a folder for `mlflow models serve`, Azure ML, SageMaker and Databricks.
    model
        A model file, or the run of the project whose model is meant: its id, or `latest`.
    output
        The folder to write: new, empty, or with an earlier deployment, whose secrets stay.
    name
        Of the deployment; without it, made from the classes.
    image
        Of the container with its registry, such as registry.example.org/team/photos; without it, the name.
    force
        Write into a folder with other files, too, and replace files that were changed since they were written.
    """
    from gingham.api import Project
    from gingham.deploy import deploy as write_deployment

    path = Project(common.project).model_file(model)
    written = write_deployment(kind, path, output, name=name, image=image, force=force)
    _announce(common, written, render.deploy)


@app.command(usage="Usage: gingham predict [OPTIONS] MODEL IMAGES...")
def predict(
    model: str,
    /,
    *images: str,
    options: BatchOptions = BATCH_OPTIONS,
    common: Common = COMMON,
) -> int:
    """Predict the class of images, with a model file or with a running service.

    An image that cannot be read costs only its own answer. Exit status 3 if none could be read.

    Parameters
    ----------
    model
        A model file, the run of the project whose model is meant (its id, or `latest`), or the address of a service,
        such as http://127.0.0.1:8000.
    images
        Files; folders, at any depth; patterns in quotes, such as 'photos/**/*.jpg'.
    """
    options.refuse_contradictions(of_service="://" in model, as_json=common.json)
    if options.output is not None:
        refuse_unwritable(options.output)
    with ProgressBar(common.quiet) as progress:
        batch = predict_batch(model, images, options, common.project, progress)
    _print_batch(batch, options, common)
    return batch.exit_status


@app.command(usage="Usage: gingham nearest [OPTIONS] RUN IMAGES...")
def nearest(
    run: str,
    /,
    *images: str,
    count: Annotated[int, Parameter(name=["--count", "-n"])] = 5,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    common: Common = COMMON,
) -> int:
    """Show the training images that are most like an image: where a wrong answer may come from.

    An image that is itself a training image is left out of its neighbours. Exit status 3 if no image could be read.

    Parameters
    ----------
    run
        Its id, the beginning of its id, or `latest`.
    images
        Files; folders, at any depth; patterns in quotes, such as 'photos/**/*.jpg'.
    count
        How many for each.
    output
        Also write a page with the pictures to this file, *.html.
    """
    paths, notes = named_images(images, "nearest", run, "run")
    result: NearestResult = call(
        common, None, "nearest", render.nearest, images=paths, run=run, count=count, output=output
    )
    print("".join(f"{line}\n" for line in notes), end="", file=sys.stderr)  # noqa: T201
    return 3 if result.unreadable == len(result.images) else 0


@app.command
def doctor(*, common: Common = COMMON, config: Parameters = None) -> None:
    """Say what is installed, which engine will run, and which weights are here."""
    call(common, config, "doctor", render.doctor)
