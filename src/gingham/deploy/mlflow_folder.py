"""A model for the platforms that take MLflow models."""

from __future__ import annotations

from gingham import __version__
from gingham.deploy.containers import Plan
from gingham.deploy.rendering import rendered
from gingham.deploy.requirements import pinned
from gingham.deploy.subject import Subject
from gingham.deploy.wheel import package_files

__all__ = ["mlflow"]


def mlflow(subject: Subject) -> Plan:
    """Return a folder that ``mlflow.pyfunc.load_model`` loads: the model, the code that predicts, what both need.

    Gingham itself lies in it as code, not as a requirement: its wheel would bring all that training needs, and no
    index has it.

    Raises
    ------
    UnavailableError
        If MLflow is not installed.
    """
    from gingham.tracking.pyfunc import pyfunc_files

    about = {"model_id": subject.model_id, "run_id": subject.run_id, "labels": list(subject.info.labels)}
    files = pyfunc_files(subject.content, package_files(), pinned(), about)
    values = {**about, "version": __version__, "name": subject.name, "n_classes": len(subject.info.labels)}
    files["README.md"] = rendered("mlflow.md", values)
    return Plan(files, "mlflow models serve --model-uri . --env-manager local --port 8001")
