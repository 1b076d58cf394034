"""What each batch of a source is held to: that it is as the first one was."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import copy
from itertools import zip_longest
from typing import Any

import numpy as np

from skae._data.kinds import as_array, takes_missing, with_nan
from skae._data.missing import with_known
from skae._data.pairs import check_target, pair, tell_of_unused_target
from skae._data.schema import Schema
from skae._data.source import Batch, reading
from skae._data.validation import check_samples, check_weights, kept_dtype
from skae._warn import warn


class BatchChecks:
    """Checks batches, and finds in the first of them what all are held to.

    With `reset` that is new; without, it is what the estimator saw before. `schema`
    says it where it is known from elsewhere.
    """

    # The dtype of checked samples.
    dtype: np.dtype
    _raw_dtype: np.dtype | None = None

    def __init__(
        self,
        estimator: Any,
        reset: bool,
        schema: Schema | None = None,
        paired: bool = False,
    ):
        self._schema = schema
        # Whether the y of a batch is what is to be made of its samples.
        self.paired = paired
        # Validation sets attributes, and warns of names that only some sources give.
        self._checked = copy.copy(estimator)
        self._names = list(getattr(estimator, "feature_names_in_", []))
        vars(self._checked).pop("feature_names_in_", None)
        if reset:
            for name in ("n_features_in_", "sample_shape_"):
                vars(self._checked).pop(name, None)
            self._names = []
        self._reset = reset

    @property
    def schema(self) -> Schema:
        if self._schema is not None:
            return self._schema
        checked = self._checked
        return Schema(
            int(checked.n_features_in_),
            tuple(checked.sample_shape_),
            tuple(self._names),
        )

    @property
    def takes_missing(self) -> bool:
        return takes_missing(self._checked)

    @property
    def row_bytes(self) -> int:
        n_values = int(np.prod(self._checked.sample_shape_)) * (1 + self.paired)
        return self.dtype.itemsize * n_values

    def check(
        self, label: str, batch: Batch, survey: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """Check a batch; give its samples and their weights."""
        with reading(label):
            first = survey and self._raw_dtype is None
            X = batch.X
            if not getattr(X, "shape", (1,))[0]:
                return np.empty((0,)), np.empty(0)
            self._check_names(batch, first)
            if hasattr(X, "columns"):
                X = self._of_frame(X)
            if first:
                self._raw_dtype = X.dtype
            elif self._raw_dtype is not None and X.dtype != self._raw_dtype:
                raise ValueError(
                    f"X has dtype {X.dtype}, expected {self._raw_dtype} as before. "
                    "Convert it in the source."
                )
            X = check_samples(self._checked, X, reset=first and self._reset)
            if self.paired:
                X = self._with_target(X, batch.y)
            elif first:
                tell_of_unused_target(X, batch.y, "use fit_dataset(..., targets=True)")
            if first:
                self.dtype = X.dtype
            weight = check_weights(batch.weight, X, all_zero=True)
            if self.takes_missing:
                weight = with_known(weight, X, self.paired)
            return X, weight

    def _of_frame(self, frame: Any) -> np.ndarray:
        X: np.ndarray = frame.to_numpy()
        if self.takes_missing:
            # Integers with holes become something else, in some batches only.
            dtype = kept_dtype(frame)
            X = with_nan(X)
            X = X.astype(dtype if isinstance(dtype, np.dtype) else np.float64)
        return X

    def _with_target(self, X: np.ndarray, target: Any) -> np.ndarray:
        if target is None:
            raise ValueError(
                "targets=True expects pairs (X, target), or (X, target, "
                "sample_weight), in each batch; got no target. Give pairs, or leave "
                "targets=False to reconstruct X."
            )
        if not hasattr(target, "columns"):
            target = as_array(target)
        return pair(X, check_target(self._checked, target, len(X)))

    def _check_names(self, batch: Batch, first: bool) -> None:
        names = batch.names
        if names is None:
            names = [*getattr(batch.X, "columns", [])]
            if not all(isinstance(name, str) for name in names):
                names = []
        if first and self._reset:
            self._names = names
            _tell_of_labels(names)
        elif names and self._names and names != self._names:
            pairs = zip_longest(names, self._names)
            i, (mine, theirs) = next(
                (i, p) for i, p in enumerate(pairs) if p[0] != p[1]
            )
            raise ValueError(
                f"Of the {len(names)} columns, number {i} is {mine!r}, but of the "
                f"{len(self._names)} seen before it was {theirs!r}. Give the same "
                "columns in the same order."
            )


# Names of columns that say which row it is, or what it is, and not how it is.
_LABELS = frozenset(
    ["class", "fold", "id", "idx", "index", "key", "label", "labels", "row", "split",
     "target", "targets", "unnamed: 0", "uuid", "y"]
)  # fmt: skip


def _tell_of_labels(names: list[str]) -> None:
    """Warn of columns that go by the names of labels, and join the features."""
    found = [n for n in names if n.lower() in _LABELS or n.lower().endswith("_id")]
    if found:
        warn(
            f"The columns {', '.join(map(repr, found))} of the source look like "
            f"labels or numbers of rows, and are taken as features like the other "
            f"{len(names) - len(found)}. Leave them out of the source, for instance "
            "with select_columns or drop; or rename them if they are features."
        )
