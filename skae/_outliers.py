"""Outliers: rows that lie apart in what an autoencoder keeps and in what it loses."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import math
from numbers import Real

import numpy as np
from sklearn.base import (
    BaseEstimator,
    OutlierMixin,
    _fit_context,
)
from sklearn.utils import check_random_state, gen_batches
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from skae._autoencoder import AutoencoderTransformer
from skae._data.refusals import in_our_words
from skae._networks import DenseNetwork
from skae._rows_apart import InUnits, Member, Scale
from skae._seeds import seeded

__all__ = ["AutoencoderOutlierDetector"]

# What the default model is made of.
_N_NETWORKS = 10
_N_STEPS = 200
_BATCH_SIZE = 64
_MOST_UNITS, _MOST_LATENTS = 128, 32
# Rows that a network trains on, and that others are compared with: at most so many ...
_N_ROWS = 512
# ... and at most this share of all, so that each row is new to some of them.
_SHARE = 0.8
# As many of a transformer of the user's, which there is only one of.
_N_ROWS_OF_ONE = 2048
_BLOCK = 1024


class AutoencoderOutlierDetector(OutlierMixin, BaseEstimator):
    """Outlier detection by what autoencoders keep of a row and what they lose.

    An odd row is odd in its latent vector, in its residual, or in how the two go
    together. So the two are taken as one vector, and a row's score is its distance
    from the nearest other rows, in units in which these vectors have the same spread
    in every direction: a Mahalanobis distance, as has been proposed for latent
    vectors and errors [1]_, from neighbours in the place of the centre. The default
    model is the mean of ten small networks, each of which knows some rows drawn at
    random, as ensembles of autoencoders [2]_ and of neighbours [3]_ do, so that no
    outlier is known to all of them.

    Columns are scaled by their medians and quartiles, so units do not matter.

    Parameters
    ----------
    transformer : estimator instance or None, default=None
        What maps rows to latent vectors and back: an :class:`AutoencoderTransformer`,
        `PCA`, or any transformer with `inverse_transform`. A copy of it is fitted on
        all rows, scaled. None is the ten networks: see Notes.

    contamination : float or "auto", default="auto"
        Where the line between inliers and outliers is drawn. A number in (0, 0.5] is
        the share of the training rows to call outliers. "auto" calls a row an outlier
        whose score is below the lower quartile of the training scores by more than
        1.5 times their interquartile range, as box plots do [4]_.

    random_state : int, RandomState instance or None, default=None
        Determines the networks and which rows they know. Parameters of `transformer`
        that are called `random_state` and are None follow it, too. Pass an int for
        reproducible results across multiple function calls.

    Attributes
    ----------
    transformer_ : estimator instance
        What was fitted, in the units of X: `transform` gives latent vectors, those of
        the ten networks side by side, and `inverse_transform` reconstructions, the
        mean of theirs.

    offset_ : float
        What separates outliers from inliers:
        `decision_function(X) = score_samples(X) - offset_`.

    n_features_in_ : int
        Number of features seen during fit.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during fit. Defined only when `X` has feature names
        that are all strings.

    See Also
    --------
    AutoencoderTransformer : The transformer; its `score_samples` is minus the error.
    skae.plotting.OutlierDisplay : Draws the scores, and why a row is odd.
    sklearn.ensemble.IsolationForest : Needs no distances, and tells no columns.

    Notes
    -----
    **The default model** is ten networks with a hidden layer of twice as many units
    as there are columns, at most 128, half as many latent values as columns, at most
    32, and a linear output, each trained for 200 steps of 64 rows, on four fifths of
    all rows, at most 512. They are small and trained shortly on purpose: a long run
    learns to reconstruct the outliers, too.

    **The score** of a network is `-log(1 + d2 / q)`, where `q` is the number of latent
    values and columns together, and `d2` the mean squared distance to the 20 nearest
    of the rows that the network knows, after the covariance matrix of latent values
    and residuals, each in its standard deviation, shrunk as Ledoit and Wolf do [5]_,
    has been made the identity. `score_samples` is the mean over the networks, at most
    zero.

    **Scaling** subtracts the median and divides by the interquartile range over 1.349,
    which is the standard deviation of a normal column; where half of the values are
    the same, by the standard deviation. Beyond 10 such units values grow as
    their logarithms, so that no heavy tail rules a network.

    **Where it loses.** Where outliers are no more than large values of single columns,
    methods that look at one column at a time, such as ECOD or an isolation forest, are
    ahead: on the table cardiotocography of the user guide by 0.2 in AUROC. So are
    they where outliers are many and lie close together, for these are one another's
    neighbours. Memory and time grow with the number of columns: a table of thousands
    is better reduced first, by a `Pipeline`.

    References
    ----------
    .. [1] Denouden, T., Salay, R., Czarnecki, K., Abdelzad, V., Phan, B. and Vernekar,
       S. (2018). "Improving reconstruction autoencoder out-of-distribution detection
       with Mahalanobis distance". arXiv:1812.02765.
    .. [2] Chen, J., Sathe, S., Aggarwal, C. and Turaga, D. (2017). "Outlier detection
       with autoencoder ensembles". SDM.
    .. [3] Aggarwal, C. C. and Sathe, S. (2015). "Theoretical foundations and algorithms
       for outlier ensembles". ACM SIGKDD Explorations 17(1).
    .. [4] Tukey, J. W. (1977). "Exploratory data analysis". Addison-Wesley.
    .. [5] Ledoit, O. and Wolf, M. (2004). "A well-conditioned estimator for large-
       dimensional covariance matrices". Journal of Multivariate Analysis 88(2).

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from skae import AutoencoderOutlierDetector
    >>> X, y = load_wine(return_X_y=True, as_frame=True)
    >>> detector = AutoencoderOutlierDetector(random_state=0).fit(X)

    A bottle with more than twice as much alcohol as any:

    >>> odd = X[:1].copy()
    >>> odd["alcohol"] = 30.0
    >>> detector.predict(odd)
    array([-1])
    >>> detector.feature_names_in_[detector.contributions(odd).argmax()]
    'alcohol'

    PCA in the place of the networks:

    >>> from sklearn.decomposition import PCA
    >>> linear = AutoencoderOutlierDetector(PCA(5), contamination=0.05).fit(X)
    >>> int((linear.predict(X) == -1).sum())
    9
    """

    _parameter_constraints = {
        "transformer": [HasMethods(["fit", "transform", "inverse_transform"]), None],
        "contamination": [
            StrOptions({"auto"}),
            Interval(Real, 0, 0.5, closed="right"),
        ],
        "random_state": ["random_state"],
    }

    _doc_link_module = "skae"
    _doc_link_template = AutoencoderTransformer._doc_link_template

    def __init__(self, transformer=None, *, contamination="auto", random_state=None):
        self.transformer = transformer
        self.contamination = contamination
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Learn what rows have in common.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The training data. Outliers may be among them.

        y : Ignored
            Not used, present here for API consistency by convention.

        Returns
        -------
        self : object
            The fitted detector.

        Raises
        ------
        ValueError
            If the data or a parameter are not what is expected, or if reconstructions
            of `transformer` have another shape than X.
        """
        with in_our_words(self):
            X = validate_data(self, X, dtype=np.float64, ensure_min_samples=2)
        random_state = check_random_state(self.random_state)
        scale = Scale(X)
        scaled = scale.scaled(X)
        if self.transformer is None:
            fitted = _fit_networks(scaled, random_state)
        else:
            fitted = [_fit_one(self.transformer, scaled, random_state)]
        self.transformer_ = InUnits([transformer for transformer, _ in fitted], scale)
        self._members = [Member(one, rows, scaled) for one, rows in fitted]
        scores = self._scores(X)
        if self.contamination == "auto":
            low, high = np.percentile(scores, [25, 75])
            self.offset_ = float(low - 1.5 * (high - low))
        else:
            self.offset_ = float(np.percentile(scores, 100 * self.contamination))
        return self

    def score_samples(self, X):
        """Give the score of each row: the lower, the more of an outlier.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            Scores, at most zero.
        """
        check_is_fitted(self)
        return self._scores(self._validate(X))

    def decision_function(self, X):
        """Give the score of each row above the line between inliers and outliers.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            Shifted scores: negative for outliers.
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X):
        """Tell outliers from inliers.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.

        Returns
        -------
        is_inlier : ndarray of shape (n_samples,)
            -1 for outliers and 1 for inliers.
        """
        return np.where(self.decision_function(X) < 0, -1, 1)

    def contributions(self, X):
        """Give the part of each column in the score of each row.

        It is by how much the row's squared distance from its neighbours would fall if
        that column alone took the value that suits the others best, as reconstruction-
        based contributions are in process monitoring [1]_. A single wrong value so
        comes first, also where it is an ordinary value that does not go with the rest.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.

        Returns
        -------
        shares : ndarray of shape (n_samples, n_features)
            Shares of the columns, in their order: not negative, and one in sum.

        References
        ----------
        .. [1] Alcala, C. F. and Qin, S. J. (2009). "Reconstruction-based contribution
           for process monitoring". Automatica 45(7).
        """
        check_is_fitted(self)
        X = self._validate(X)
        scaled = self.transformer_.scale.scaled(X)
        shares = np.zeros(X.shape)
        for rows in gen_batches(len(X), max(1, _BLOCK // X.shape[1])):
            for member in self._members:
                shares[rows] += member.falls(scaled[rows])
        total = shares.sum(axis=1, keepdims=True)
        # A row that lies where its neighbours do is odd in no column.
        return np.divide(
            shares, total, out=np.full(X.shape, 1 / X.shape[1]), where=total > 0
        )

    def _validate(self, X):
        with in_our_words(self):
            return validate_data(self, X, dtype=np.float64, reset=False)

    def _scores(self, X):
        scaled = self.transformer_.scale.scaled(X)
        scores = np.zeros(len(X))
        for rows in gen_batches(len(X), _BLOCK):
            for member in self._members:
                scores[rows] -= np.log1p(member.distances(scaled[rows]))
        return scores / len(self._members)


def _fit_networks(scaled, random_state):
    """Give small networks, and the rows that each was trained on."""
    n_features = scaled.shape[1]
    n_rows = min(_N_ROWS, max(math.ceil(_SHARE * len(scaled)), 2))
    fitted = []
    for _ in range(_N_NETWORKS):
        # Nothing is left to defaults: the figures of the guide are those of these.
        rows = random_state.permutation(len(scaled))[:n_rows]
        n_steps = math.ceil(len(rows) / _BATCH_SIZE)
        network = AutoencoderTransformer(
            min(max(n_features // 2, 1), _MOST_LATENTS),
            network=DenseNetwork(
                (min(2 * n_features, _MOST_UNITS),), linear_path=False
            ),
            objective=None,
            arrange=None,
            scale=None,
            activation="elu",
            latent_activation="linear",
            output_activation="linear",
            learning_rate="cosine",
            learning_rate_init=0.01,
            epochs=math.ceil(_N_STEPS / n_steps),
            batch_size=min(_BATCH_SIZE, len(rows)),
            early_stopping=False,
            random_state=random_state.randint(np.iinfo(np.int32).max),
        )
        fitted.append((network.fit(scaled[rows]), rows))
    return fitted


def _fit_one(transformer, scaled, random_state):
    """Give a transformer of the user's, and rows to compare with."""
    transformer = seeded(transformer, random_state).fit(scaled)
    return transformer, random_state.permutation(len(scaled))[:_N_ROWS_OF_ONE]
