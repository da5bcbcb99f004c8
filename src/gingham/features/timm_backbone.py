"""Backbones by their timm name, with weights from a local file, timm's cache or the network.

Needs torch and timm once; what it finds out (preprocessing, number of features, the network as ONNX) is kept in a
folder, so that the next use needs neither.
"""

from __future__ import annotations

import contextlib
import difflib
import importlib.util
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from gingham.errors import ConfigError, DataError, UnavailableError, did_you_mean
from gingham.features.backbones import Backbone, Weights, check_resolution, embedded_names, file_sha256
from gingham.features.embedded import require_file
from gingham.project import write_whole
from gingham.records import Interpolation

if TYPE_CHECKING:
    from onnx import ModelProto
    from torch import Tensor, nn

__all__ = ["TimmBackbone", "converted_once", "load_timm_backbone", "require_timm"]

_FORMAT = 1
_SHOWN = 3


class TimmBackbone(Backbone):
    """A network of timm's with weights from a file.

    Parameters
    ----------
    name : str
        timm's.
    n_features : int
    weights : Weights
        ``source`` is the file.
    directory : Path, optional
        Where the converted network is kept.
    """

    def __init__(self, name: str, n_features: int, weights: Weights, directory: Path | None) -> None:
        super().__init__(name, n_features, weights)
        self._directory = directory

    def onnx_model(self, resolution: int) -> ModelProto:
        """Convert the network, or take it from the folder; see `Backbone.onnx_model`."""
        check_resolution(resolution)
        stem = f"{self.name}-{self.weights.sha256[:16]}-{resolution}"
        return converted_once(self._directory, stem, lambda: self.torch_module(resolution), resolution, self.weights)

    def torch_module(self, resolution: int) -> nn.Module:
        """Make the network and fill it; see `Backbone.torch_module`."""
        check_resolution(resolution)
        require_timm(self.name)
        network = _make_network(self.name, resolution)
        _fill(network, _read_tensors(Path(self.weights.source)), Path(self.weights.source), self.name)
        return network


def converted_once(
    directory: Path | None, stem: str, network: Callable[[], nn.Module], resolution: int, weights: Weights
) -> ModelProto:
    """Return a network as ONNX, from a folder where it was converted before.

    Parameters
    ----------
    directory : Path, optional
        By default it is converted anew.
    stem : str
        Its name there; different networks have different ones.
    network : callable
        Returns the module: float32 (N, 3, S, S), normalized → (N, n_features).
    resolution : int
    weights : Weights
        Mean and std belong to the graph.
    """
    import onnx

    data = _read_checked(directory, stem) if directory is not None else None
    if data is None:
        from gingham.features.pixel_input import convert_to_onnx

        data = convert_to_onnx(network(), resolution, weights.mean, weights.std)
        if directory is not None:
            _write_checked(directory, stem, data)
    return onnx.load_model_from_string(data)


def load_timm_backbone(name: str, weights: Path | None, directory: Path | None) -> TimmBackbone:
    """Find a timm model and its weights; see `load_backbone`."""
    if not re.fullmatch(r"[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)?", name):
        raise ConfigError(f"{name!r} is no name of a backbone: {_known()}.")
    own = weights is None
    if weights is not None:
        require_file(weights)
        weights = weights.absolute()
    else:
        weights = _remembered_weights(name, directory)
    if weights is not None:
        sha256 = file_sha256(weights)
        known = _remembered_facts(name, sha256, weights, directory)
        if known is not None:
            return TimmBackbone(name, *known, directory)
    timm, _ = require_timm(name)
    if not timm.is_model(name):
        closest = difflib.get_close_matches(name, [*embedded_names(), *timm.list_models()], n=5)
        near = did_you_mean(name, [other for other in closest if other in embedded_names()] or closest)
        raise ConfigError(f"There is no backbone {name}.{near} Allowed: {_known()}.")
    if weights is None:
        weights = _own_weights(name)
        _remember(directory, f"{name}.pretrained.json", {"file": str(weights)})
        sha256 = file_sha256(weights)
    licence = (_published(name).license if own else None) or "unknown"
    n_features, facts = _facts(name, sha256, licence, weights)
    remembered = {"format": _FORMAT, "n_features": n_features, **asdict(facts)}
    _remember(directory, f"{name}-{sha256[:16]}.json", remembered)
    return TimmBackbone(name, n_features, facts, directory)


def require_timm(name: str) -> tuple[Any, Any]:
    """Import timm and torch for a backbone.

    Returns
    -------
    timm, torch : modules

    Raises
    ------
    UnavailableError
        If they are not installed.
    """
    missing = [module for module in ("torch", "timm") if importlib.util.find_spec(module) is None]
    if missing and set(name.split("+")) <= set(embedded_names()):  # it is not the backbone that needs them
        raise UnavailableError(
            f"To train a network takes {' and '.join(missing)}, not installed here. "
            'Type: pip install "gingham[train]". The SVM does without.'
        )
    if missing:
        raise UnavailableError(
            f"The backbone {name} needs {' and '.join(missing)}, not installed here."
            f"{did_you_mean(name, embedded_names())} "
            f'Type: pip install "gingham[train]" (without it: {", ".join(embedded_names())}).'
        )
    import timm
    import torch

    return timm, torch


def _known() -> str:
    return f"{', '.join(embedded_names())}, or a timm name such as resnet18"


def _published(name: str) -> Any:
    """Return what timm says of the weights that it publishes under a name."""
    import timm

    return timm.get_pretrained_cfg(name)


def _make_network(name: str, resolution: int) -> nn.Module:
    """Make the network without its classification layer, with random weights, for one input size."""
    import timm
    import torch

    arguments: dict[str, Any] = {}
    try:
        if _published(name).fixed_input_size:
            arguments["img_size"] = resolution
            with torch.device("meta"):
                trial: Any = timm.create_model(name, pretrained=False, num_classes=0, **arguments)
                trial.eval()(torch.empty(1, 3, resolution, resolution))
        network: nn.Module = timm.create_model(name, pretrained=False, num_classes=0, **arguments)
    except (TypeError, ValueError, AssertionError, RuntimeError) as error:
        own = _published(name).input_size[-1]
        raise ConfigError(
            f"The backbone {name} cannot take images of {resolution} x {resolution} ({_first_line(error)}). "
            f"Its own size is {own}: --features.resolution {own}"
        ) from error
    return network.eval()


def _facts(name: str, sha256: str, licence: str, file: Path) -> tuple[int, Weights]:
    """Ask timm what belongs to the weights, and how many features the network has."""
    import timm
    import torch

    cfg = _published(name)
    with torch.device("meta"):
        network: Any = timm.create_model(name, pretrained=False, num_classes=0)
    n_features = int(getattr(network, "head_hidden_size", None) or network.num_features)
    known = get_args(Interpolation)
    interpolation: Interpolation = cfg.interpolation if cfg.interpolation in known else "bicubic"
    weights = Weights(sha256, licence, str(file), tuple(cfg.mean), tuple(cfg.std), interpolation, float(cfg.crop_pct))
    return n_features, weights


def _read_tensors(path: Path) -> dict[str, Tensor]:
    """Read a weights file; nothing in it is executed."""
    import pickle

    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, ValueError, OSError) as error:
        raise DataError(
            f"The weights file {path} cannot be read: {_first_line(error)}. Give a .safetensors file, "
            "or a checkpoint of tensors only."
        ) from error
    for wrapper in ("state_dict", "model"):
        if isinstance(loaded, Mapping) and isinstance(loaded.get(wrapper), Mapping):
            loaded = loaded[wrapper]
    tensors = {k: v for k, v in loaded.items() if torch.is_tensor(v)} if isinstance(loaded, Mapping) else {}
    if not tensors:
        raise DataError(f"The weights file {path} holds no tensors by name.")
    return {name.removeprefix("module."): tensor for name, tensor in tensors.items()}


def _fill(network: nn.Module, tensors: dict[str, Tensor], path: Path, name: str) -> None:
    """Load the tensors, all of them, the classification layer's left out.

    Raises
    ------
    DataError
        If they are another network's; names the first that do not fit.
    """
    classifiers = _classifiers(network)
    bare = {k: v for k, v in tensors.items() if not k.startswith(classifiers)}
    wrong = _misfits(network, bare)
    if wrong:
        converted = _published_to_own(tensors, network)
        bare = {k: v for k, v in converted.items() if not k.startswith(classifiers)}
        wrong = _misfits(network, bare) and wrong
    if wrong:
        more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        raise DataError(
            f"The weights in {path} are not those of {name} at this resolution: {'; '.join(wrong[:_SHOWN])}{more}. "
            f"Give the backbone that they belong to (--features.backbone NAME), "
            f"or its own size (--features.resolution {_published(name).input_size[-1]})."
        )
    network.load_state_dict(bare, strict=False)  # what may be missing are buffers that are not saved


def _classifiers(network: nn.Module) -> tuple[str, ...]:
    names = getattr(network, "pretrained_cfg", {}).get("classifier") or ()
    return tuple(f"{name}." for name in ([names] if isinstance(names, str) else names))


def _misfits(network: nn.Module, tensors: Mapping[str, Tensor]) -> list[str]:
    own = network.state_dict()
    wrong = [f"{key} is missing" for key in own if key not in tensors and not key.endswith("num_batches_tracked")]
    wrong += [f"{key} is unknown" for key in tensors if key not in own]
    wrong += [
        f"{key} is {tuple(tensors[key].shape)}, {tuple(value.shape)} is needed"
        for key, value in own.items()
        if key in tensors and tensors[key].shape != value.shape
    ]
    return wrong


def _published_to_own(tensors: dict[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """Adapt published weights as timm does: old names, position embeddings of another size."""
    convert = getattr(sys.modules[type(network).__module__], "checkpoint_filter_fn", None)
    if convert is None:
        return tensors
    try:
        converted: dict[str, Tensor] = convert(dict(tensors), network)
    except (KeyError, IndexError, AttributeError, ValueError, RuntimeError):
        return tensors  # it stumbles over weights of another network, which are then told by name
    return converted


def _own_weights(name: str) -> Path:
    """Return the file of timm's own weights: from its cache, else downloaded.

    Raises
    ------
    UnavailableError
        If they are not there and cannot be downloaded; says what to do.
    """
    cfg = _published(name)
    if not (cfg.hf_hub_id or cfg.url):
        raise UnavailableError(
            f"timm has no pretrained weights for {name}. Give a file: --features.backbone_weights FILE"
        )
    with _download_errors(name):
        return _from_hub(cfg.hf_hub_id, cfg.hf_hub_filename) if cfg.hf_hub_id else _from_url(cfg.url)


def _from_hub(repository: str, filename: str | None) -> Path:
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
    from huggingface_hub.errors import LocalEntryNotFoundError, RemoteEntryNotFoundError

    repository, _, revision = repository.partition("@")
    candidates = (filename,) if filename else ("model.safetensors", "pytorch_model.bin")
    for candidate in candidates:
        with contextlib.suppress(LocalEntryNotFoundError):
            return Path(hf_hub_download(repository, candidate, revision=revision or None, local_files_only=True))
    for candidate in candidates:
        with contextlib.suppress(RemoteEntryNotFoundError):
            # Asked first because the download itself tries for half a minute where nobody answers.
            get_hf_file_metadata(hf_hub_url(repository, candidate, revision=revision or None), timeout=10)
            return Path(hf_hub_download(repository, candidate, revision=revision or None))
    raise FileNotFoundError(f"{repository} holds no weights file")


def _from_url(url: str) -> Path:
    from timm.models._hub import download_cached_file

    return Path(download_cached_file(url))


@contextlib.contextmanager
def _download_errors(name: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # the hub's client changes its network library, and so its errors, with its versions
        raise UnavailableError(
            f"The weights of {name} are not on this machine and cannot be downloaded ({_first_line(error)}). "
            f"Where there is a network, run the same command again; else bring the file model.safetensors of "
            f"https://huggingface.co/{_published(name).hf_hub_id or 'timm'} here "
            "and type: --features.backbone_weights model.safetensors"
        ) from error


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _remember(directory: Path | None, file: str, facts: Mapping[str, Any]) -> None:
    if directory is not None:
        write_whole(directory / file, json.dumps(facts, indent=1))


def _recall(directory: Path | None, file: str) -> dict[str, Any] | None:
    """Return what was remembered; nothing where it is absent or damaged, for it can be found out again."""
    if directory is None:
        return None
    try:
        facts = json.loads((directory / file).read_text())
    except (OSError, ValueError):
        return None
    return facts if isinstance(facts, dict) else None


def _remembered_weights(name: str, directory: Path | None) -> Path | None:
    facts = _recall(directory, f"{name}.pretrained.json") or {}
    file = facts.get("file")
    return Path(file) if isinstance(file, str) and Path(file).is_file() else None


def _remembered_facts(name: str, sha256: str, file: Path, directory: Path | None) -> tuple[int, Weights] | None:
    facts = _recall(directory, f"{name}-{sha256[:16]}.json")
    if facts is None or facts.pop("format", None) != _FORMAT or facts.get("sha256") != sha256:
        return None
    try:
        n_features = int(facts.pop("n_features"))
        facts |= {"mean": tuple(facts["mean"]), "std": tuple(facts["std"]), "source": str(file)}
        return n_features, Weights(**facts)
    except (KeyError, TypeError, ValueError):
        return None


def _read_checked(directory: Path, stem: str) -> bytes | None:
    """Return the converted network whose name carries its checksum; a damaged one is removed."""
    import hashlib

    for file in directory.glob(f"{stem}-*.onnx"):
        data = file.read_bytes()
        if file.stem.removeprefix(f"{stem}-") == hashlib.sha256(data).hexdigest()[:32]:
            return data
        file.unlink(missing_ok=True)
    return None


def _write_checked(directory: Path, stem: str, data: bytes) -> None:
    import hashlib

    write_whole(directory / f"{stem}-{hashlib.sha256(data).hexdigest()[:32]}.onnx", data)
