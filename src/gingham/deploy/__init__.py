"""Write all that runs a model somewhere else: a container, a cluster, a platform that takes MLflow models."""

from gingham.deploy.deployment import Deployment, Kind, deploy

__all__ = ["Deployment", "Kind", "deploy"]
