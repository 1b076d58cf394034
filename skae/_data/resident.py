"""Data in memory."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import math
import zlib
from collections.abc import Callable, Generator
from functools import cached_property
from typing import Any

import numpy as np

from skae._data import limits
from skae._data.digests import digest_of_rows
from skae._data.given import ValidatesOn, put_aside
from skae._data.missing import Means, least_and_greatest
from skae._data.pairs import inputs_of, outputs_of
from skae._data.schema import Schema
from skae._engines.protocol import Put, Trainer
from skae._warn import warn

# Rows that are copied to be encoded at once.
_ENCODED_ROWS = 1024
# So many rows are counted as they are, whether they differ or not.
MANY_ROWS = 30_000
Part = tuple[Put, np.ndarray]


class Resident(ValidatesOn):
    """Data in memory: an epoch is one part."""

    streamed = False
    rows_stay = True

    def __init__(
        self,
        X: np.ndarray,
        sample_weight: np.ndarray,
        schema: Schema,
        paired: bool = False,
    ):
        self._X = X
        # Whether a row is a sample and what is to be made of it.
        self.paired = paired
        self.weight = sample_weight
        self._rows = np.flatnonzero(sample_weight)
        self._aside: np.ndarray | None = None
        self.schema = schema
        self.dtype = X.dtype
        self.n_rows = len(X)

    @property
    def n_train(self) -> int:
        return len(self._rows)

    @property
    def n_kinds(self) -> int:
        """The number of different rows to train on, as far as it is few.

        Copies of a row say no more than a weight does.
        """
        if len(self._rows) > MANY_ROWS:
            return len(self._rows)
        return len(np.unique(self._digests[self._rows]))

    @property
    def n_aside(self) -> int:
        """The number of different rows set aside, or of those given for validation."""
        if self._given is not None:
            return len(self._given[0])
        if self._aside is None:
            return 0
        return len(np.unique(self._digests[self._aside]))

    @cached_property
    def _digests(self) -> np.ndarray:
        """A number for each row that is the same in float32 and in float64."""
        with np.errstate(over="ignore"):
            return np.array([zlib.crc32(x.astype("f4").tobytes()) for x in self._X])

    def of_rows_to_train(self, column: np.ndarray) -> np.ndarray:
        """Give the values of the rows to train on, of those of all rows."""
        return column[self._rows]

    def facts(self) -> dict[str, Any]:
        """Give what tells these data from others, by name."""
        return {
            "the shape of X": self._X.shape,
            "the rows of X": self._X,
            "`sample_weight`": self.weight,
            "`validation_data`": self._given or (),
        }

    def words(self) -> dict[str, str | None]:
        """Give words that tell these data from others, the same in each process."""
        low, high = self.range()
        digest = digest_of_rows(self._X, self.weight)
        return {
            "X": f"values from {low} to {high} [{digest}]",
            "validation_data": self._words_of_given(),
        }

    def steady(self) -> bool:
        """Tell whether the source gives the same rows each time: it was read once."""
        return True

    def range(self) -> tuple[float, float]:
        """Give the least and the greatest value to reconstruct, by positive weight."""
        wanted = outputs_of(self._X, self.paired)
        kept = wanted if self.weight.all() else wanted[self.weight > 0]
        return least_and_greatest(kept)

    def means(self) -> np.ndarray:
        """Give the means of the known values of each column, by weight."""
        means = Means()
        means.add(self._X, self.weight, self.paired)
        return means.means()

    def set_aside(
        self, fraction: float, random_state: np.random.RandomState, must: bool = True
    ) -> bool:
        """Leave a part of the rows out of training, for validation.

        Unless it must be done, it is not where all rows are equal.
        """
        if not must and self.n_kinds < 2:
            return False
        digests = self._digests[self._rows]
        self._rows, self._aside = set_aside(digests, self._rows, fraction, random_state)
        return True

    def bring(self, trainer: Trainer, dtype: str, batch_size: int) -> None:
        """Bring the data to the trainer."""
        del batch_size
        self._trainer, self._dtype = trainer, dtype
        weight = self.weight.astype(dtype, copy=False)
        self._put = trainer.put(self._X, weight)
        if self._given is not None:
            self._put_given = put_aside(trainer.put, self._given, dtype)

    def set_targets(self, targets: np.ndarray) -> None:
        """Give each row to train on what its latent vector is drawn to."""
        column = np.zeros((self.n_rows, targets.shape[1]), self._dtype)
        column[self._rows] = targets
        self._put = self._trainer.put_targets(self._put, column)

    def epoch(
        self, random_state: np.random.RandomState, first: int
    ) -> Generator[Part, None, None]:
        """Give the parts of an epoch from the `first` on."""
        order = self._rows[random_state.permutation(len(self._rows))]
        if not first:
            yield self._put, order

    def validation(self) -> Part | None:
        if self._given is not None:
            return self._put_given
        return None if self._aside is None else (self._put, self._aside)

    def sample(self) -> np.ndarray:
        """Give some rows to train on, drawn at random but always the same."""
        n = limits.sample_rows(math.prod(self._X.shape[1:]))
        return self._X[np.random.RandomState(0).permutation(self._rows)[:n]]

    def some(self, n: int, exactly: bool = True) -> tuple[np.ndarray, np.ndarray]:
        """Give at most n of the rows to train on, always the same, with weights."""
        del exactly
        rows = self._rows
        if len(rows) == self.n_rows <= n:
            return self._X, self.weight
        if len(rows) > n:
            rows = np.sort(np.random.RandomState(0).permutation(rows)[:n])
        return self._X[rows], self.weight[rows]

    def encode_some(
        self, encode: Callable, n: int, random_state: np.random.RandomState
    ) -> np.ndarray:
        """Encode n of the rows to train on, drawn at random, in random order."""
        rows = random_state.permutation(self._rows)[:n]
        blocks = np.split(rows, range(_ENCODED_ROWS, len(rows), _ENCODED_ROWS))
        X = inputs_of(self._X, self.paired)
        return np.concatenate([encode(X[block]) for block in blocks])

    def encode_all(self, encode: Callable) -> np.ndarray:
        """Encode the rows to train on, in an order that `set_targets` knows."""
        X = inputs_of(self._X, self.paired)
        if len(self._rows) == self.n_rows:
            return encode(X)
        blocks = np.split(self._rows, range(_ENCODED_ROWS, self.n_train, _ENCODED_ROWS))
        return np.concatenate([encode(X[block]) for block in blocks])


def set_aside(
    digests: np.ndarray,
    rows: np.ndarray,
    fraction: float,
    random_state: np.random.RandomState,
) -> tuple[np.ndarray, np.ndarray]:
    """Split the rows into those to train on and a fraction for validation.

    Equal samples stay on one side, so that no sample is validated on its twin, and
    a weight of two does what two copies do.
    """
    kinds = np.unique(digests)
    if len(kinds) < 2:
        warn(
            "early_stopping=True sets samples aside for validation, and all samples of "
            "positive weight are equal: they are validated on themselves. Fit on more "
            "samples, or take early_stopping=False."
        )
        return rows, rows
    n_aside = min(math.ceil(fraction * len(kinds)), len(kinds) - 1)
    aside = np.isin(digests, random_state.permutation(kinds)[:n_aside])
    return rows[~aside], rows[aside]
