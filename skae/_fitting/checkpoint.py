"""Checkpoints of a run: written now and then, and gone on from."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import copy
import hashlib
import json
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from skae._data import limits
from skae._engines.choice import dense_program
from skae._engines.tensorflow.workers import agree_on, place
from skae._files.store import load_fitted, load_run, save
from skae._files.words import numbered, to_json
from skae._fitting.epochs import Position
from skae._fitting.watchers import EarlyStopping
from skae._models import Spec


class Checkpoint:
    """The file of a run.

    It is a transformer as `save` writes it, as of then, beside what the run needs to
    go on: the place in the epoch, the generators, the state of early stopping. Of
    several workers the first writes it, and all of them read it.
    """

    def __init__(self, path: Any, estimator: Any):
        self._path = os.fspath(path)
        self._estimator = estimator
        if estimator.callbacks is not None:
            raise TypeError(
                "A checkpoint does not hold the state of callbacks. Expected "
                f"callbacks=None with `checkpoint`, got {estimator.callbacks!r}."
            )
        self._parameters = {
            name: to_json(value, name, own=True)
            for name, value in estimator.get_params(deep=False).items()
            if name != "verbose"
        }
        self.written = False
        self._last = time.monotonic()

    def open(
        self,
        data: Any,
        spec: Spec,
        weights: list[np.ndarray] | None,
        random_state: np.random.RandomState,
    ) -> Any:
        """Give what the file holds, if there is one and it is of this run.

        `weights` are those to start from, if not new ones. `random_state` becomes what
        it was when the run began, before anything was set aside.
        """
        digest = hashlib.sha256()
        for weight in weights or []:
            digest.update(weight.tobytes())
        self._run = {
            "parameters": self._parameters,
            "rows": int(data.n_rows),
            "rows_of_positive_weight": int(data.n_train),
            "sample_shape": [int(n) for n in data.seen["sample_shape_"]],
            "dtype": str(data.dtype),
            "columns": [str(n) for n in data.seen.get("feature_names_in_", [])],
            "starts_from": digest.hexdigest() if weights else None,
        }
        self._spec = spec
        self._writes = place()[0] == 0
        found = self._read() if os.path.exists(self._path) else None
        # No worker has begun to train, and to write, before all have read.
        agree_on(
            {
                "what is in the file `checkpoint`, whose path all of them must share": (
                    found and (found[0]["of"], sorted(found[1].items()))
                )
            }
        )
        if found is not None and not found[0]["finished"]:
            random_state.set_state(found[0]["began_with"].get_state())
        self._began_with = to_json(random_state, "random_state")
        return found

    def _read(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        run, tensors = load_run(self._path)
        found, mine = run["of"], json.loads(json.dumps(self._run))
        if found != mine:
            raise ValueError(
                f"The checkpoint {self._path!r} is of another run: "
                f"{'; '.join(_differences(found, mine))}. To go on with it, give what "
                "it was written with; to start anew, delete it or choose another path."
            )
        return run, tensors

    def bind(
        self,
        position: Position,
        trainer: Any,
        watchers: list,
        attributes: Callable[[], dict[str, Any]],
    ) -> None:
        """Say where the state of the run is to be found."""
        self._position = position
        self._trainer = trainer
        stopping = [w for w in watchers if isinstance(w, EarlyStopping)]
        self._stopping = stopping[0] if stopping else None
        self._attributes = attributes

    def resume(self, run: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
        """Put the run where the file says it was."""
        position = self._position
        position.epoch, position.part, position.step = run["position"]
        position.sums = run["sums"]
        position.history = run["history"]
        position.random_state.set_state(run["random_state"].get_state())
        self._trainer.load(
            numbered(tensors, "weight"), numbered(tensors, "state") or None, 0
        )
        self._trainer.load_seeds(numbered(tensors, "run_seed"))
        if self._stopping is not None and run["stopping"] is not None:
            best = numbered(tensors, "run_best")
            self._stopping.load_state(run["stopping"], best)

    def write(self, whole_epoch: bool) -> None:
        """Write the run as it is now, if it is time."""
        if not self._writes:
            return
        if (
            not whole_epoch
            and time.monotonic() - self._last < limits.SECONDS_BETWEEN_CHECKPOINTS
        ):
            return
        position = self._position
        arrays = {f"run_seed_{i}": s for i, s in enumerate(self._trainer.seeds())}
        stopping = None
        if self._stopping is not None:
            stopping, best = self._stopping.state()
            arrays |= {f"run_best_{i}": w for i, w in enumerate(best)}
        run = {
            "finished": False,
            "position": [position.epoch, position.part, position.step],
            "sums": list(position.sums),
            "history": position.history,
            "random_state": to_json(position.epoch_random_state, "random_state"),
            "stopping": stopping,
            "began_with": self._began_with,
        }
        attributes = self._attributes()
        attributes["_random_state"] = copy.deepcopy(position.random_state)
        self._save(attributes, run, arrays)

    def finish(self, attributes: dict[str, Any]) -> None:
        """Write the fitted transformer."""
        if self._writes:
            self._save(attributes, {"finished": True}, {})

    def fitted(self) -> dict[str, Any]:
        """Give the fitted attributes in the file."""
        fitted = load_fitted(self._path, self._spec)
        return {**fitted, "_engine": dense_program(self._spec)}

    def _save(
        self,
        attributes: dict[str, Any],
        run: dict[str, Any],
        arrays: dict[str, np.ndarray],
    ) -> None:
        model = copy.copy(self._estimator)
        vars(model).pop("feature_names_in_", None)
        vars(model).update(attributes)
        save(model, self._path, run={**run, "of": self._run}, arrays=arrays)
        self.written = True
        self._last = time.monotonic()


def _differences(found: dict[str, Any], mine: dict[str, Any]) -> list[str]:
    """Say in words what differs."""
    pairs = {name: (found.get(name), mine[name]) for name in mine}
    theirs, ours = pairs.pop("parameters")
    pairs |= {name: ((theirs or {}).get(name), ours[name]) for name in ours}
    return [
        f"it was written with {name}={a!r}, and now {name}={b!r}"
        for name, (a, b) in pairs.items()
        if a != b
    ]
