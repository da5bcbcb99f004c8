"""What to try next: Optuna's sampler over networks, resolutions, views and the parameters of a refinement."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gingham.config import Config
from gingham.errors import UnavailableError
from gingham.project.digests import digest
from gingham.project.files import disk_errors
from gingham.workflow.candidates import Candidate

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.distributions import BaseDistribution

__all__ = ["Search"]

MOST_REPEATS = 100
"""Proposals in a row that were tried before, after which there is nothing new to expect."""


class Search:
    """Proposes candidates, from what is known of others; it is kept in a file and goes on from there.

    Iterate over it, and `tell` what became of each candidate before the next one is asked for.

    Parameters
    ----------
    file : Path
    config : Config

    Raises
    ------
    UnavailableError
        If Optuna is not installed, or the file cannot be written.
    """

    def __init__(self, file: Path, config: Config) -> None:
        self.require()
        import optuna
        from optuna.trial import TrialState

        settings = config.tuning
        self._space = settings.model_dump(exclude={"minutes", "folds"}) | {
            "networks": [name for name in settings.backbones if "+" not in name],
            "epochs": sorted({*settings.epochs, config.refinement.epochs}),
            "learning_rates": sorted({*settings.learning_rates, config.refinement.learning_rate}),
        }
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        with disk_errors(file):
            file.parent.mkdir(parents=True, exist_ok=True)
        self._study: Study = optuna.create_study(
            storage=f"sqlite:///{file}",
            study_name=digest(sorted(self._space.items())),
            sampler=optuna.samplers.TPESampler(seed=config.seed),
            direction="maximize",
            load_if_exists=True,
        )
        self._running: Trial | None = None
        self._told: dict[Candidate, float] = {}
        for trial in self._study.get_trials(deepcopy=False):
            if trial.state == TrialState.RUNNING:  # a process was killed over it
                self._study.tell(trial.number, state=TrialState.FAIL)
                self._study.enqueue_trial(trial.params, skip_if_exists=False)
            elif trial.state == TrialState.COMPLETE and trial.value is not None:
                self._told[_candidate(trial.params)] = trial.value

    @staticmethod
    def require() -> None:
        """Refuse to go on without Optuna.

        Raises
        ------
        UnavailableError
        """
        if importlib.util.find_spec("optuna") is None:
            raise UnavailableError(
                'Optuna is not installed. Type: pip install "gingham[tune]" (without it: gingham tune --quick)'
            )

    @property
    def seconds_spent(self) -> float:
        """The time that was spent in it, by all processes."""
        return float(self._study.user_attrs.get("seconds", 0.0))

    def spend(self, seconds: float) -> None:
        """Count time as spent."""
        self._study.set_user_attr("seconds", self.seconds_spent + seconds)

    @property
    def tried(self) -> tuple[Candidate, ...]:
        """The candidates that were told of, by all processes."""
        return tuple(self._told)

    def forget(self, candidate: Candidate) -> None:
        """Have a candidate tried anew."""
        del self._told[candidate]
        self._study.enqueue_trial(_params(candidate), skip_if_exists=False)

    def learn(self, candidate: Candidate, accuracy: float) -> None:
        """Let it know of a candidate that it did not propose, if it is one that it could."""
        from optuna.trial import create_trial

        if candidate not in self._told and self._holds(candidate):
            params = _params(candidate)
            space = {name: space for name, space in self._distributions().items() if name in params}
            self._study.add_trial(create_trial(params=params, distributions=space, value=accuracy))
            self._told[candidate] = accuracy

    def propose(self, candidate: Candidate) -> None:
        """Have a candidate tried before anything else, unless it was."""
        if candidate not in self._told:
            self._study.enqueue_trial(_params(candidate), skip_if_exists=True)

    def __iter__(self) -> Iterator[Candidate]:
        repeats = 0
        while repeats < MOST_REPEATS:
            trial = self._study.ask()
            candidate = self._suggested(trial)
            if candidate in self._told:
                self._study.tell(trial, self._told[candidate])
                repeats += 1
                continue
            repeats = 0
            self._running = trial
            yield candidate

    def tell(self, candidate: Candidate, accuracy: float) -> None:
        """Say how accurate the candidate is that was proposed last."""
        assert self._running is not None
        self._study.tell(self._running, accuracy)
        self._told[candidate] = accuracy
        self._running = None

    def fail(self, candidate: Candidate) -> None:
        """Say that the candidate that was proposed last cannot be measured."""
        from optuna.trial import TrialState

        assert self._running is not None
        self._study.tell(self._running, state=TrialState.FAIL)
        self._told[candidate] = 0.0
        self._running = None

    def _holds(self, candidate: Candidate) -> bool:
        """Tell whether a candidate is among all that could be proposed."""
        space, svm = self._space, candidate.classifier == "svm"
        rates = space["learning_rates"]
        if not svm and not (
            candidate.epochs in space["epochs"] and rates[0] <= (candidate.learning_rate or 0) <= rates[-1]
        ):
            return False
        return (
            candidate.classifier in space["classifiers"]
            and candidate.backbone in space["backbones" if svm else "networks"]
            and candidate.resolution in space["resolutions"]
            and candidate.views in space["views"]
        )

    def _distributions(self) -> dict[str, BaseDistribution]:
        from optuna.distributions import CategoricalDistribution, FloatDistribution

        space = self._space
        rates = space["learning_rates"]
        classifiers = [kind for kind in space["classifiers"] if kind == "svm" or space["networks"]]
        return {
            "classifier": CategoricalDistribution(classifiers),
            "backbone": CategoricalDistribution(space["backbones"]),
            "network": CategoricalDistribution(space["networks"] or [""]),
            "resolution": CategoricalDistribution(space["resolutions"]),
            "views": CategoricalDistribution(space["views"]),
            "epochs": CategoricalDistribution(space["epochs"]),
            "learning_rate": FloatDistribution(rates[0], rates[-1], log=True),
        }

    def _suggested(self, trial: Trial) -> Candidate:
        from optuna.distributions import CategoricalDistribution, FloatDistribution

        distributions = self._distributions()

        def suggest(*names: str) -> dict[str, Any]:
            found: dict[str, Any] = {}
            for name in names:
                space = distributions[name]
                if isinstance(space, FloatDistribution):
                    found[name] = trial.suggest_float(name, space.low, space.high, log=space.log)
                elif isinstance(space, CategoricalDistribution):
                    found[name] = trial.suggest_categorical(name, space.choices)
            return found

        params = suggest("classifier")
        svm = params["classifier"] == "svm"
        params |= suggest("backbone" if svm else "network", "resolution", "views")
        return _candidate(params if svm else params | suggest("epochs", "learning_rate"))


def _params(candidate: Candidate) -> dict[str, Any]:
    params: dict[str, Any] = {
        "classifier": candidate.classifier,
        "backbone" if candidate.classifier == "svm" else "network": candidate.backbone,
        "resolution": candidate.resolution,
        "views": candidate.views,
    }
    if candidate.classifier == "dnn":
        params |= {"epochs": candidate.epochs, "learning_rate": candidate.learning_rate}
    return params


def _candidate(params: dict[str, Any]) -> Candidate:
    backbone = params["backbone"] if params["classifier"] == "svm" else params["network"]
    rate = params.get("learning_rate")
    return Candidate(
        params["classifier"],
        backbone,
        params["resolution"],
        params["views"],
        params.get("epochs"),
        None if rate is None else float(f"{rate:.3g}"),
    )
