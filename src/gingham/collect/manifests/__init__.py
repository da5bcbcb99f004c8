"""Public datasets of which the package knows where each image lies."""

from gingham.collect.manifests.manifest import Manifest, manifest, manifest_names

__all__ = ["Manifest", "manifest", "manifest_names"]
