"""Checkpoints of a run: written now and then, and gone on from."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import copy
import hashlib
import json
import os
import time
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from skae._data import Data, limits
from skae._engines.scaled import ScaledTrainer
from skae._engines.tensorflow.workers import agree_on, place
from skae._files.store import read_checkpoint, write
from skae._files.words import numbered, to_json, to_words
from skae._fitting.fitted import Fitted
from skae._fitting.run import Run, Start
from skae._models import Spec

_THE_FILE = "what is in the file `checkpoint`, whose path all of them must share"


class Saved(NamedTuple):
    """What a file says of a run that is under way."""

    run: dict[str, Any]
    tensors: dict[str, np.ndarray]


class Checkpoint:
    """The file of a run.

    It holds a `Fitted` as `save` writes it, as of then, beside what the run needs to go
    on: the place in the epoch, the generators, the state of early stopping, and what
    latent vectors are drawn to. Of several workers the first writes it, and all of them
    read it.
    """

    def __init__(self, path: Any, estimator: Any):
        self._path = os.fsdecode(path)
        if estimator.callbacks is not None:
            raise TypeError(
                "A checkpoint does not hold the state of callbacks. Expected "
                f"callbacks=None with `checkpoint`, got {estimator.callbacks!r}."
            )
        self._parameters = estimator.get_params(deep=False)
        # What was written last, so that a failed call leaves what the file holds.
        self.written: Fitted | None = None
        self._last = time.monotonic()

    def open(
        self, spec: Spec, data: Data, start: Start, before: Fitted | None
    ) -> Start:
        """Start from what the file holds, if there is one and it is of this run."""
        digest = hashlib.sha256()
        for weight in start.weights if before is not None else []:
            digest.update(weight.tobytes())
        schema = data.schema
        self._of = {
            "parameters": {
                name: to_words(value, name)
                for name, value in self._parameters.items()
                if name != "verbose"
            },
            "rows": int(data.n_rows),
            "rows_of_positive_weight": int(data.n_train),
            **data.words(),
            "sample_shape": list(schema.sample_shape),
            "dtype": str(data.dtype),
            "columns": list(map(str, schema.feature_names_in)),
            "starts_from": None if before is None else digest.hexdigest(),
        }
        self._writes = place()[0] == 0
        found = self._read(spec, data) if os.path.exists(self._path) else None
        # No worker has begun to train, and to write, before all have read.
        facts = found and (found[0].run["of"], sorted(found[0].tensors.items()))
        agree_on({_THE_FILE: facts})
        if found is None:
            self._began_with = to_json(start.random_state, "random_state")
            return start
        saved, fitted = found
        if saved.run["finished"]:
            return replace(start, fitted=fitted)
        # As it was when the run began, before anything was set aside.
        start.random_state.set_state(saved.run["began_with"].get_state())
        self._began_with = to_json(start.random_state, "random_state")
        return replace(start, saved=saved)

    def _read(self, spec: Spec, data: Data) -> tuple[Saved, Fitted]:
        values, tensors, run = read_checkpoint(self._path)
        found, mine = run["of"], json.loads(json.dumps(self._of))
        if found.get("X") != mine["X"] and not data.steady():
            # A source that changes its samples at random has a range of each pass.
            mine["X"] = found.get("X")
        if found != mine:
            raise ValueError(
                f"The checkpoint {self._path!r} is of another run: "
                f"{'; '.join(_differences(found, mine))}. To go on with it, give what "
                "it was written with; to start anew, delete it or choose another path."
            )
        return Saved(run, tensors), Fitted.from_file(values, tensors, spec)

    def bind(self, run: Run, start: Start) -> None:
        """Write this run from now on; put it where the file says it was."""
        self._run = run
        if start.saved is not None:
            _resume(run, start.saved)
            run.go_on()

    def keep(self, whole_epoch: bool) -> None:
        """Write the run as it is now, if it is time."""
        age = time.monotonic() - self._last
        if not whole_epoch and age < limits.SECONDS_BETWEEN_CHECKPOINTS:
            return
        run, position = self._run, self._run.position
        arrays = {f"run_seed_{i}": s for i, s in enumerate(run.trainer.seeds())}
        if isinstance(run.trainer, ScaledTrainer):
            inner = run.trainer.inner_weights()
            arrays |= {f"run_inner_{i}": w for i, w in enumerate(inner)}
        stopping, strength, root = None, None, False
        if run.stopping is not None:
            stopping, best = run.stopping.state()
            arrays |= {f"run_best_{i}": w for i, w in enumerate(best)}
        # The weights of the file are those to go on from.
        fitted = replace(run.fitted(), weights=run.trainer.weights())
        if run.placing.places is not None:
            arrays["run_targets"], strength, *rest = run.placing.places
            root = any(rest)
        self._write(
            fitted,
            {
                "finished": False,
                "position": [position.epoch, position.part, position.step],
                "sums": list(position.sums),
                "history": position.history,
                "random_state": to_json(position.epoch_random_state, "random_state"),
                "stopping": stopping,
                "strength": strength,
                "root": root,
                "began_with": self._began_with,
            },
            arrays,
        )

    def finish(self, fitted: Fitted) -> None:
        """Write the end of the run."""
        self._write(fitted, {"finished": True}, {})

    def _write(
        self, fitted: Fitted, run: dict[str, Any], arrays: dict[str, np.ndarray]
    ) -> None:
        if not self._writes:
            return
        content, tensors = fitted.to_file(self._parameters, own=True)
        content["run"] = {**run, "of": self._of}
        write(self._path, content, tensors | arrays)
        self.written = fitted
        self._last = time.monotonic()


def _resume(run: Run, saved: Saved) -> None:
    """Put a run where a file says it was."""
    position, content, tensors = run.position, saved.run, saved.tensors
    position.epoch, position.part, position.step = content["position"]
    position.sums = content["sums"]
    position.history = copy.deepcopy(content["history"])
    position.random_state.set_state(content["random_state"].get_state())
    state = numbered(tensors, "state") or None
    run.trainer.load(numbered(tensors, "weight"), state, 0)
    if isinstance(run.trainer, ScaledTrainer):
        run.trainer.load_inner(numbered(tensors, "run_inner"))
    run.trainer.load_seeds(numbered(tensors, "run_seed"))
    if run.stopping is not None and content["stopping"] is not None:
        run.stopping.load_state(content["stopping"], numbered(tensors, "run_best"))
    if content["strength"] is not None:
        targets = tensors["run_targets"]
        run.placing.set(targets, content["strength"], content["root"])


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
