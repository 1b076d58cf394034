"""What a fit leaves: one value, for the estimator, for a file and for a checkpoint."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skae._data.schema import Schema
from skae._engines.scaled import Scaling
from skae._files.layers import arrays_aside
from skae._files.words import numbered, to_json
from skae._models import Spec

_SPEC_WORDS = (
    "network",
    "latent_dim",
    "activation",
    "latent_activation",
    "output_activation",
    "objective",
)


@dataclass(frozen=True)
class Fitted:
    """The result of a fit.

    Whoever takes it over takes all of it; nobody copies estimators to carry it.
    """

    weights: list[np.ndarray]
    history: dict[str, list[float]]
    n_iter: int
    schema: Schema
    spec: Spec
    # None is that of a new optimizer.
    optimizer_state: list[np.ndarray] | None
    random_state: np.random.RandomState
    arranged: str
    # What the columns of a table were scaled by in training.
    scaling: Scaling | None = None
    # Those that ran, if there were any; no file holds them.
    callbacks: list[Any] | None = None

    @classmethod
    def of(cls, estimator: Any) -> "Fitted":
        """Give what a fitted estimator holds."""
        return cls(
            weights=estimator.weights_,
            history=estimator.history_,
            n_iter=estimator.n_iter_,
            schema=Schema.of(estimator),
            spec=estimator._spec,
            optimizer_state=estimator._optimizer_state,
            random_state=estimator._random_state,
            arranged=estimator.arranged_,
            scaling=Scaling.of(estimator),
        )

    def attributes(self) -> dict[str, Any]:
        """Give the attributes of an estimator that has taken it over."""
        found = {
            **self.schema.attributes(),
            "weights_": self.weights,
            "history_": self.history,
            "n_iter_": self.n_iter,
            "output_activation_": self.spec.output_activation,
            "arranged_": self.arranged,
            **Scaling.attributes(self.scaling),
            "_spec": self.spec,
            "_optimizer_state": self.optimizer_state,
            "_random_state": self.random_state,
        }
        if self.callbacks is not None:
            found["callbacks_"] = self.callbacks
        return found

    def after(self, before: "Fitted", partial: bool) -> "Fitted":
        """Give it as what goes on from an earlier fit."""
        history = {
            name: [*before.history.get(name, []), *self.history.get(name, [])]
            for name in {**before.history, **self.history}
        }
        n_iter = self.n_iter + (before.n_iter if partial else 0)
        return replace(self, history=history, n_iter=n_iter)

    def to_file(
        self, parameters: dict[str, Any], own: bool = False
    ) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Give the content and the arrays of a file that holds it.

        With `own`, words stand for objects of the user's own.
        """
        schema, spec = self.schema, self.spec
        words = {w: to_json(getattr(spec, w), w, own) for w in _SPEC_WORDS}
        content = {
            "parameters": {k: to_json(v, k, own) for k, v in parameters.items()},
            "fitted": {
                "history": self.history,
                "n_iter": self.n_iter,
                "n_features_in": schema.n_features_in,
                "sample_shape": list(schema.sample_shape),
                "feature_names_in": list(schema.feature_names_in),
                "random_state": to_json(self.random_state, "random_state"),
                "arranged": self.arranged,
                "dtype": spec.dtype,
                **words,
            },
        }
        state = self.optimizer_state or []
        tensors = {f"weight_{i}": w for i, w in enumerate(self.weights)}
        tensors |= {f"state_{i}": np.asarray(s) for i, s in enumerate(state)}
        arrays: list[np.ndarray] = []
        found: dict[Any, int] = {}
        for held in content.values():
            held["network"] = arrays_aside(held["network"], found, arrays)
        tensors |= {f"array_{i}": array for i, array in enumerate(arrays)}
        if self.scaling is not None:
            tensors |= {"center": self.scaling.center, "scale": self.scaling.scale}
        return content, tensors

    @classmethod
    def from_file(
        cls, values: dict[str, Any], tensors: dict[str, np.ndarray], spec: Spec
    ) -> "Fitted":
        """Give what a file holds, whose values and arrays were checked."""
        return cls(
            weights=numbered(tensors, "weight"),
            history=values["history"],
            n_iter=values["n_iter"],
            schema=Schema(
                values["n_features_in"],
                spec.sample_shape,
                tuple(values["feature_names_in"]),
            ),
            spec=spec,
            optimizer_state=numbered(tensors, "state") or None,
            random_state=values["random_state"],
            arranged=values["arranged"],
            scaling=_scaling_from_file(tensors),
        )


def _scaling_from_file(tensors: dict[str, np.ndarray]) -> Scaling | None:
    if "scale" not in tensors:
        return None
    center, scale = tensors["center"], tensors["scale"]
    if not (np.isfinite([center, scale]).all() and scale.min() > 0):
        raise ValueError("center and scale of the columns must be finite, scale > 0")
    return Scaling(center, scale)


def spec_from_file(values: dict[str, Any], loss: Any, optimizer: Any) -> Spec:
    """Give the spec that a file describes."""
    return Spec(
        sample_shape=values["sample_shape"],
        loss=loss,
        optimizer=optimizer,
        dtype=values["dtype"],
        **{word: values[word] for word in _SPEC_WORDS},
    )
