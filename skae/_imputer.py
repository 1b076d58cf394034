"""Missing values filled by the reconstructions of an autoencoder."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import math

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.impute import MissingIndicator
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state, get_tags
from sklearn.utils._set_output import _get_output_config
from sklearn.utils.validation import (
    _check_feature_names_in,
    check_is_fitted,
    validate_data,
)

from skae._autoencoder import AutoencoderTransformer
from skae._data.kinds import is_a, with_nan
from skae._networks import DenseNetwork
from skae._seeds import seeded
from skae._warn import warn

__all__ = ["AutoencoderImputer"]

# Of the transformer that is made: as many epochs as so many steps need, but no more
# than the most unless few steps need them, and no fewer than the least.
_BATCH_SIZE = 200
_STEPS, _FEW_STEPS = 7500, 1000
_MIN_EPOCHS, _MAX_EPOCHS = 5, 200


class AutoencoderImputer(TransformerMixin, BaseEstimator):
    """Fill missing values with the reconstructions of an autoencoder.

    The autoencoder learns from the known values of all rows, while some of them are
    hidden from it, to say what is missing from what is there [1]_. Known values stay as
    they are. Columns are brought to one scale before, and back after.

    Parameters
    ----------
    transformer : transformer object or None, default=None
        What encodes and decodes rows with NaN: an :class:`AutoencoderTransformer` with
        `missing="mask"`, or any other transformer that takes NaN and has an
        `inverse_transform`. It is cloned, and fitted to standardised columns. None is
        an :class:`AutoencoderTransformer` with `missing="mask"`, two hidden layers of
        up to 128 units, from 128 columns on of 256, and as many latent dimensions as a
        quarter of the columns, but at least 10 and at most 64.

    add_indicator : bool, default=False
        Whether to put columns beside the others that say what was missing, one for
        each column that had missing values in `fit`.

    random_state : int, RandomState instance or None, default=None
        Determines what the transformer leaves to chance: parameters of `transformer`
        that are called `random_state` and are None follow it. Pass an int for
        reproducible results across multiple function calls.

    Attributes
    ----------
    transformer_ : transformer object
        The fitted transformer. It takes and gives standardised columns.

    scaler_ : StandardScaler
        What standardises columns.

    indicator_ : MissingIndicator or None
        What says which values were missing, if `add_indicator` is True.

    n_features_in_ : int
        Number of features seen during fit.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during fit. Defined only when `X` has feature names
        that are all strings.

    See Also
    --------
    AutoencoderTransformer : Latent vectors of rows with missing values, unfilled.
    sklearn.impute.KNNImputer : Fills with values of the nearest rows.
    sklearn.impute.IterativeImputer : Fills each column by a regression on the others.

    Notes
    -----
    Missing are NaN, None and pandas' NA. A value that is filled in is never below the
    least or above the greatest that `fit` saw in its column. Columns without a known
    value in `fit` are left out, with a warning; a row without one gets what the
    autoencoder makes of nothing, near the means. Where output is set to pandas or
    polars and X is such a frame, columns without missing values keep their dtype, and
    so do columns of floats.

    References
    ----------
    .. [1] Gondara, L. and Wang, K. (2018). "MIDA: multiple imputation using denoising
       autoencoders". PAKDD.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_wine
    >>> from skae import AutoencoderImputer
    >>> X = load_wine().data
    >>> missing = np.random.RandomState(0).rand(*X.shape) < 0.3
    >>> X_missing = np.where(missing, np.nan, X)
    >>> filled = AutoencoderImputer(random_state=0).fit_transform(X_missing)
    >>> bool((filled[~missing] == X[~missing]).all())
    True

    In units of each column, the error is far below that of the mean of the column:

    >>> from sklearn.impute import SimpleImputer
    >>> def error(filled):
    ...     difference = (filled - X) / X.std(axis=0)
    ...     return (difference[missing] ** 2).mean()
    >>> bool(error(filled) < 0.7 * error(SimpleImputer().fit_transform(X_missing)))
    True
    """

    _parameter_constraints = {
        "transformer": "no_validation",
        "add_indicator": ["boolean"],
        "random_state": ["random_state"],
    }

    def __init__(self, transformer=None, *, add_indicator=False, random_state=None):
        self.transformer = transformer
        self.add_indicator = add_indicator
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None):
        """Learn from the known values.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, with NaN for what is missing.

        y : Ignored
            Not used, present here for API consistency by convention.

        Returns
        -------
        self : object
            The fitted imputer.

        Raises
        ------
        ValueError
            If no value of X is known.
        TypeError
            If the transformer takes no NaN, or has no `inverse_transform`.
        """
        self._fit(X)
        return self

    def fit_transform(self, X, y=None):
        """Learn from the known values, and fill what is missing.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, with NaN for what is missing.

        y : Ignored
            Not used, present here for API consistency by convention.

        Returns
        -------
        X_filled : ndarray of shape (n_samples, n_features_out)
            The rows without holes.
        """
        return self.fit(X).transform(X)

    def transform(self, X):
        """Fill what is missing.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, with NaN for what is missing.

        Returns
        -------
        X_filled : ndarray of shape (n_samples, n_features_out)
            The rows without holes, and columns that say what was missing if
            `add_indicator` is True.
        """
        check_is_fitted(self)
        values = self._validate(X, reset=False)
        indicated = None
        if self.indicator_ is not None:
            indicated = self.indicator_.transform(values)
        values = values[:, self._kept]
        missing = np.isnan(values)
        filled = values
        if missing.any():
            filled = np.where(missing, self._reconstruct(values), values)
        kind = _get_output_config("transform", self)["dense"]
        if kind in ("pandas", "polars") and is_a(X, kind, "DataFrame"):
            return self._frame(X, filled, missing, indicated)
        if indicated is None:
            return filled
        return np.hstack([filled, indicated.astype(filled.dtype)])

    def get_feature_names_out(self, input_features=None):
        """Get the names of the columns that `transform` gives.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Names of the columns of X. None takes those that `fit` saw.

        Returns
        -------
        names : ndarray of str objects
            The names of the columns that are kept, and of those that say what was
            missing.
        """
        check_is_fitted(self)
        names = _check_feature_names_in(self, input_features)
        kept = names[self._kept]
        if self.indicator_ is None:
            return kept
        return np.concatenate([kept, self.indicator_.get_feature_names_out(names)])

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _validate(self, X, reset):
        return validate_data(
            self,
            with_nan(X),
            reset=reset,
            dtype=[np.float64, np.float32],
            ensure_all_finite="allow-nan",
        )

    def _fit(self, X):
        values = self._validate(X, reset=True)
        missing = np.isnan(values)
        kept = ~missing.all(axis=0)
        self._tell_of_empty_columns(kept)
        transformer = _make_transformer(self.transformer, len(values), int(kept.sum()))
        transformer = seeded(transformer, check_random_state(self.random_state))
        indicator = None
        if self.add_indicator:
            indicator = MissingIndicator(error_on_new=False).fit(values)
        known = values[:, kept]
        scaler = StandardScaler().fit(known)
        transformer.fit(_scaled(scaler, known))
        self._range = np.nanmin(known, axis=0), np.nanmax(known, axis=0)
        self._kept, self.scaler_ = kept, scaler
        self.indicator_, self.transformer_ = indicator, transformer

    def _tell_of_empty_columns(self, kept):
        if not kept.any():
            raise ValueError(
                "X has no known value: expected at least one in some column to learn "
                "from."
            )
        if not kept.all():
            names = getattr(self, "feature_names_in_", np.arange(len(kept)))[~kept]
            warn(
                "Columns without a known value can't be filled and are left out: "
                f"{', '.join(map(str, names[:10]))}{', ...' * (len(names) > 10)}. Drop "
                "them from X, or give them a value."
            )

    def _reconstruct(self, values):
        transformer = self.transformer_
        Z = transformer.transform(_scaled(self.scaler_, values))
        found = transformer.inverse_transform(np.asarray(Z))
        found = self.scaler_.inverse_transform(np.asarray(found, np.float64))
        # Rounding to the dtype of X must not lead out of it either.
        return np.clip(found.astype(values.dtype), *self._range)

    def _frame(self, X, filled, missing, indicated):
        """Give a frame like X, whose columns keep their dtypes where they can."""
        names = self.get_feature_names_out()
        columns = np.flatnonzero(self._kept)
        polars = is_a(X, "polars", "DataFrame")
        frame = X[:, columns.tolist()] if polars else X.iloc[:, columns].copy()
        new = {}
        for i in np.flatnonzero(missing.any(axis=0)):
            column = frame[:, int(i)] if polars else frame.iloc[:, i]
            new[i] = _like(column, filled[:, i], polars)
        if polars:
            frame = frame.with_columns(list(new.values()))
        else:
            for i, column in new.items():
                frame.isetitem(i, column)
        if indicated is None:
            return frame
        added = dict(zip(names[len(columns) :], indicated.T, strict=True))
        if not polars:
            return frame.assign(**added)
        series = type(frame[:, 0])
        return frame.with_columns([series(name, v) for name, v in added.items()])


def _make_transformer(transformer, n_rows, n_features):
    if transformer is None:
        # Found on tables of 178 to 2310 rows: wide layers and long runs pay, since what
        # is hidden is other values in each step.
        width = min(max(8 * n_features, 32), 128) if n_features < 128 else 256
        steps = math.ceil(n_rows / _BATCH_SIZE)
        enough = min(math.ceil(_STEPS / steps), _MAX_EPOCHS)
        return AutoencoderTransformer(
            min(max(10, n_features // 4), 64),
            network=DenseNetwork((width, width)),
            epochs=max(enough, math.ceil(_FEW_STEPS / steps), _MIN_EPOCHS),
            batch_size=_BATCH_SIZE,
            early_stopping=False,
            arrange=None,
            output_activation="linear",
            missing="mask",
        )
    inverse = hasattr(transformer, "inverse_transform")
    if not inverse or not get_tags(transformer).input_tags.allow_nan:
        raise TypeError(
            "`transformer` of AutoencoderImputer must take NaN, and have an "
            "inverse_transform: expected AutoencoderTransformer(missing='mask'), or "
            f"None. Got {transformer!r}."
        )
    return transformer


def _scaled(scaler, values):
    # What is filled in needs no more digits, and takes half the time.
    return scaler.transform(values).astype(np.float32)


def _like(column, values, polars):
    """Give values as a column like another: of its name, and of its dtype if floats."""
    of_floats = str(column.dtype).lower().startswith("float")
    if polars:
        new = type(column)(column.name, values)
        return new.cast(column.dtype) if of_floats else new
    new = type(column)(values, index=column.index, name=column.name)
    return new.astype(column.dtype) if of_floats else new
