"""A run: a plan, its data and a trainer, and all that happens between them."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import copy
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from skae._data import Data
from skae._engines.choice import inference_program
from skae._engines.protocol import Program, Trainer
from skae._engines.scaled import ScaledTrainer, Scaling
from skae._engines.tensorflow.workers import agree
from skae._fitting.callbacks import KerasCallbacks, SklearnCallbacks
from skae._fitting.epochs import Keep, Position, run_epochs
from skae._fitting.fitted import Fitted
from skae._fitting.linear_start import start_at_components
from skae._fitting.placing import Placing
from skae._fitting.plan import Plan
from skae._fitting.progress import EpochLines, ProgressBar, RowsBar
from skae._fitting.watchers import EarlyStopping, Watcher
from skae._layers import has_path
from skae._models import Spec
from skae._objectives.objective import HOOKS_OF_ROWS, hooks
from skae._warn import warn

_DO_NOT_FIT = (
    "The weights of the last fit do not go with the network that the parameters now "
    "describe. To go on from them, set the parameters back; to start anew, use `fit` "
    "with warm_start=False."
)
# What is better than PCA on few rows by less than this, over the root of their number,
# may be so by chance.
_MARGIN = 0.6
_DRAWN_TOO_FAR = (
    "latent vectors drawn to the embedding reconstructed samples set aside worse than "
    "PCA does"
)


@dataclass
class Start:
    """What a run starts from."""

    weights: list[np.ndarray]
    # The optimizer's: None is that of a new one.
    state: list[np.ndarray] | None
    random_state: np.random.RandomState
    # What a checkpoint holds: the end of the run, or where it stood.
    fitted: Fitted | None = None
    saved: Any = None

    @property
    def n_steps(self) -> int:
        """The steps that the optimizer has taken."""
        return 0 if self.state is None else int(self.state[0])


def begin(
    estimator: Any,
    spec: Spec,
    scaling: Scaling | None,
    program: Program,
    data: Data,
    before: Fitted | None,
    partial: bool,
) -> Start:
    """Start from new weights, or from those of the fit before if they go with it."""
    random_state = check_random_state(estimator.random_state)
    if partial and before is not None:
        random_state = copy.deepcopy(before.random_state)
    weights = None if before is None else before.weights
    random_state = agree(estimator, random_state, data.facts(), weights)
    if before is None:
        weights = program.initial_weights(random_state)
        n_encoder, path = program.n_encoder_weights, has_path(spec.network)
        if estimator.missing == "mask":
            weights[0] = data.means().reshape(weights[0].shape).astype(weights[0].dtype)
        if path:
            weights = start_at_components(weights, n_encoder, spec, data, scaling)
        if scaling is not None:
            weights = scaling.into(weights, n_encoder, path)
        return Start(weights, None, random_state)
    try:
        program.check(before.weights)
    except ValueError as error:
        raise ValueError(_DO_NOT_FIT) from error
    state = before.optimizer_state if partial else None
    return Start(before.weights, state, random_state)


@contextmanager
def lease(program: Program, plan: Plan) -> Iterator[Trainer]:
    """Lend a trainer of the program, one that scales the data if the plan does."""
    with program.lease() as trainer:
        if plan.scaling is None:
            yield trainer
        else:
            where = program.n_encoder_weights, has_path(plan.spec.network)
            yield ScaledTrainer(trainer, plan.scaling, plan.spec.dtype, *where)


def _tell_of_unheard(estimator: Any, objective: Any) -> None:
    """Warn of what looks on at the epochs of a whole fit, and at none of chunks."""
    unheard = []
    if estimator.callbacks is not None:
        unheard.append("no callbacks")
    found = [f"`{name}`" for name in HOOKS_OF_ROWS if name in hooks(objective)]
    if found:
        unheard.append(f"not {' and '.join(found)} of the objective {objective!r}")
    if unheard:
        warn(
            f"partial_fit trains on a chunk, and calls {', and '.join(unheard)}. Use "
            "`fit`, or `fit_dataset` for data that are larger than memory; or leave "
            "them out."
        )


class Run:
    """A run of a plan with a trainer."""

    def __init__(
        self, plan: Plan, program: Program, trainer: Trainer, data: Data, start: Start
    ):
        self.plan = plan
        self.program = program
        self.trainer = trainer
        self.data = data
        self.position = Position(start.random_state)
        self.stopping: EarlyStopping | None = None
        self.placing = Placing(plan, program, trainer, data, self.position)
        self._callbacks: KerasCallbacks | None = None
        self._sklearn_callbacks: SklearnCallbacks | None = None
        self._watchers: list[Watcher] = []
        seed = int(start.random_state.randint(2**31 - 1))
        try:
            trainer.load(start.weights, start.state, seed)
        except ValueError as error:
            raise ValueError(_DO_NOT_FIT) from error
        data.bring(trainer, plan.spec.dtype, plan.batch_size)

    def watch(self, estimator: Any, told: dict[str, Any]) -> None:
        """Find out who watches: early stopping, callbacks, progress, objectives.

        `told` is what scikit-learn's callbacks are told of the data.
        """
        plan, data = self.plan, self.data
        if plan.partial:
            _tell_of_unheard(estimator, plan.spec.objective)
            return
        if plan.held_out:
            patience = self.trainer, plan.patience, estimator.tol, plan.n_warm_up
            if plan.held_out == "asked":
                self.stopping = EarlyStopping(*patience)
            else:
                margin = _MARGIN / math.sqrt(data.n_aside)
                self.stopping = EarlyStopping(*patience, self._start(), margin)
            self.placing.stopping = self.stopping
            self._watchers.append(self.stopping)
        if estimator.callbacks is not None:
            self._callbacks = KerasCallbacks(
                estimator.callbacks, self.trainer, plan, plan.learning_rate_init
            )
            self._watchers.append(self._callbacks)
        if estimator.verbose > 1:
            self._watchers.append(EpochLines(plan.n_epochs))
        elif estimator.verbose:
            bar = ProgressBar("fit", plan.n_epochs)
            if data.streamed:
                bar = RowsBar("fit", data.n_train, plan.n_epochs)
            self._watchers.append(bar)
        if getattr(estimator, "_skl_callbacks", None):
            self._sklearn_callbacks = SklearnCallbacks(
                estimator, told, plan.n_epochs, lambda: self._attributes(self.fitted())
            )
            self._watchers.append(self._sklearn_callbacks)
        self.placing.y = told["y"]
        self._watchers.append(self.placing)

    def epochs(self, keep: Keep | None = None) -> None:
        """Train to the end, and let objectives do what they do there."""
        run_epochs(
            self.plan, self.trainer, self.data, self.position, self._watchers, keep
        )
        if self.stopping is not None:
            if not self.stopping.keeps_last():
                self.trainer.load_weights(self.stopping.best_weights)
                if self.stopping.drawn:
                    self.placing.give_up(_DRAWN_TOO_FAR)
            self.stopping = None
        if not self.plan.partial:
            self.placing.end()

    def _start(self) -> tuple[float, list[np.ndarray]]:
        """Give the validation loss that the run starts from, and its weights."""
        validation = self.data.validation()
        assert validation is not None
        total, weight = self.trainer.evaluate(*validation, self.plan.batch_size)
        return total / weight, self.trainer.weights()

    def end(self, fitted: Fitted) -> None:
        """Tell of the end of the fit, before anybody takes over what came of it."""
        if self._sklearn_callbacks is not None:
            self._sklearn_callbacks.end(self._attributes(fitted))

    def _attributes(self, fitted: Fitted) -> dict[str, Any]:
        """Give all that makes a copy of the estimator a fitted one."""
        program = inference_program(fitted.spec, self.program)
        return {**fitted.attributes(), "_program": program}

    def go_on(self) -> None:
        """Tell everybody that the run goes on from its position."""
        position = self.position
        n_rows = position.step * self.plan.batch_size
        for watcher in self._watchers:
            watcher.go_on(position.epoch, n_rows)

    def fitted(self) -> Fitted:
        """Give what the run has come to so far."""
        history = copy.deepcopy(self.position.history)
        best = None if self.stopping is None else self.stopping.best_weights
        callbacks = self._callbacks
        return Fitted(
            weights=best or self.trainer.weights(),
            history=history,
            n_iter=len(history["loss"]),
            schema=self.data.schema,
            spec=self.plan.spec,
            optimizer_state=self.trainer.state() if self.placing.state_holds else None,
            random_state=copy.deepcopy(self.position.random_state),
            arranged=self.placing.told(),
            scaling=self.plan.scaling,
            callbacks=None if callbacks is None else callbacks.callbacks,
        )
