"""Clusters: rows that lie together among the latent vectors of an autoencoder."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import math
from numbers import Integral

import numpy as np
from scipy.sparse import issparse
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    ClusterMixin,
    TransformerMixin,
    _fit_context,
)
from sklearn.metrics import pairwise_distances
from sklearn.utils import check_array, check_random_state, get_tags
from sklearn.utils._param_validation import HasMethods, Interval
from sklearn.utils.validation import (
    check_is_fitted,
    has_fit_parameter,
    validate_data,
)

from skae._autoencoder import AutoencoderTransformer
from skae._data.refusals import in_our_words
from skae._different_rows import different_rows
from skae._drawn import draw_on, trains_on
from skae._seeds import seeded
from skae._shared_neighbors import find_clusters, silhouette
from skae._threads import one_blas_thread
from skae._warn import warn

__all__ = ["AutoencoderClusterer"]


class AutoencoderClusterer(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, ClusterMixin, BaseEstimator
):
    """Clustering of the latent vectors of an autoencoder.

    Clusters are found in the graph of the nearest neighbours of latent vectors, by
    spectral clustering [1]_, with the number of shared neighbours as weights [2]_, or
    by K-means, where the graph does not bear out what lies together. The latent
    vectors are then drawn to the centres of their clusters while the decoder goes on
    training, as in deep clustering networks [3]_. A row belongs to the nearest centre,
    and a centre can be decoded.

    Parameters
    ----------
    n_clusters : int, default=8
        The number of clusters.

    transformer : estimator instance or None, default=None
        What maps rows to latent vectors: an :class:`AutoencoderTransformer`, `PCA`, or
        any transformer. A copy of it is fitted. An autoencoder is trained on with the
        clusters (see Notes), unless its `objective` gives latent vectors places itself;
        others are left as they are. None is `AutoencoderTransformer(
        early_stopping=False)`, since a run that stops early may stop before it has
        arranged anything.

    random_state : int, RandomState instance or None, default=None
        Determines the transformer, the starts of K-means and which rows are sampled.
        Parameters of `transformer` that are called `random_state` and are None follow
        it, too. Pass an int for reproducible results across multiple function calls.

    Attributes
    ----------
    cluster_centers_ : ndarray of shape (n_clusters, n_latents)
        The centres of the clusters, latent vectors.

    labels_ : ndarray of shape (n_samples,)
        The cluster of each row of the training data.

    silhouette_ : float
        The mean silhouette [4]_ of at most 2,000 training rows, by the latent vectors
        before they were drawn to the centres. See Notes for what to make of it.

    transformer_ : estimator instance
        The fitted transformer.

    n_features_in_ : int
        Number of features seen during fit; for images, the number of values of one.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during fit. Defined only when `X` has feature names
        that are all strings.

    See Also
    --------
    AutoencoderTransformer : The latent vectors without clusters.
    skae.plotting.ClusterDisplay : Draws the members of each cluster.
    sklearn.cluster.KMeans : Clusters of the columns as they are.

    Notes
    -----
    **How clusters are found.** K-means with ten starts gives one partition of the
    latent vectors. The other is that of the graph of 10 nearest neighbours of each, of
    at most 10,000 rows: an edge weighs what two rows share of their neighbours, K-means
    with ten starts parts the `n_clusters` axes of its spectral embedding, and other
    rows follow the majority of their nearest ones. It is taken if its silhouette is at
    least 0.8 times that of K-means, and if there are 100 rows. No labels take
    part in any choice.

    **The latent vectors** of an autoencoder are drawn to the centres only where the
    graph has found the clusters, for a fifth of its epochs and with its `objective`
    beside. Its `history_` and `arranged_` tell of the training before. Images cluster
    best where it is told what changes nothing, by :class:`Augmented`.

    **Copies** of a row are one row of their weight, in up to 10,000 rows, which are
    sorted. A transformer whose `fit` takes no weights sees each different row once.

    **Whether there are clusters** no algorithm of this kind says by itself: it parts
    a cube into `n_clusters`, too. `silhouette_` is near one where clusters lie far
    apart, and near zero where they touch. Above 0.5 they stand clear; what is below can
    come of data that have none: a uniform cube of 3 columns has 0.27, of 5 columns
    0.15, ten normal columns 0.07, and a swiss roll 0.31, with eight clusters each,
    while that of the digits is 0.36. Compare with the silhouette that K-means has on
    the columns as they are, and with other seeds: clusters that are there come again.

    References
    ----------
    .. [1] Ng, A. Y., Jordan, M. I. and Weiss, Y. (2001). "On spectral clustering:
       analysis and an algorithm". NIPS 14, 849-856.
    .. [2] Jarvis, R. A. and Patrick, E. A. (1973). "Clustering using a similarity
       measure based on shared near neighbors". IEEE Transactions on Computers C-22.
    .. [3] Yang, B., Fu, X., Sidiropoulos, N. D. and Hong, M. (2017). "Towards
       K-means-friendly spaces: simultaneous deep learning and clustering". ICML.
    .. [4] Rousseeuw, P. J. (1987). "Silhouettes: a graphical aid to the interpretation
       and validation of cluster analysis". Journal of Computational and Applied
       Mathematics 20.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import AutoencoderClusterer
    >>> X = load_digits().data / 16
    >>> clusterer = AutoencoderClusterer(10, random_state=0).fit(X)
    >>> clusterer.predict(X[:5]).shape
    (5,)

    A centre, decoded, is an image:

    >>> clusterer.inverse_transform(clusterer.cluster_centers_).shape
    (10, 64)
    """

    _parameter_constraints = {
        "n_clusters": [Interval(Integral, 1, None, closed="left")],
        "transformer": [HasMethods(["fit", "transform"]), None],
        "random_state": ["random_state"],
    }

    _doc_link_module = "skae"
    _doc_link_template = AutoencoderTransformer._doc_link_template

    def __init__(self, n_clusters=8, *, transformer=None, random_state=None):
        self.n_clusters = n_clusters
        self.transformer = transformer
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, sample_weight=None):
        """Find clusters.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features) or \
                (n_samples, ...)
            The rows, or images.

        y : Ignored
            Not used, present here for API consistency by convention.

        sample_weight : array-like of shape (n_samples,), default=None
            The weight of each row; one of weight zero is left out. None is one each.

        Returns
        -------
        self : object
            The fitted clusterer.

        Raises
        ------
        ValueError
            If the data or a parameter are not what is expected, or if there are fewer
            different rows than clusters.
        """
        X = self._validate(X, reset=True)
        rows, weight = different_rows(X, sample_weight)
        if rows.shape[0] < self.n_clusters:
            raise ValueError(
                f"n_samples={rows.shape[0]} should be >= n_clusters={self.n_clusters}: "
                "there are fewer different rows than clusters. Ask for fewer clusters."
            )
        random_state = check_random_state(self.random_state)
        transformer = _fitted(self.transformer, rows, weight, random_state)
        Z = np.asarray(transformer.transform(rows))
        seed = random_state.randint(np.iinfo(np.int32).max)
        labels, by_graph = find_clusters(Z, weight, self.n_clusters, seed)
        self.silhouette_ = silhouette(Z, labels, seed)
        if by_graph and trains_on(transformer):
            centers = _centers(Z, labels, weight, self.n_clusters)
            draw_on(transformer, rows, weight, centers[labels])
            Z = transformer.transform(rows)
        self.transformer_ = transformer
        self.cluster_centers_ = _centers(Z, labels, weight, self.n_clusters)
        self._n_features_out = self.n_clusters
        self.labels_ = self._distances(X).argmin(axis=1).astype(np.int32)
        return self

    def fit_predict(self, X, y=None, sample_weight=None):
        """Find clusters, and give that of each row.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features) or \
                (n_samples, ...)
            The rows, or images.

        y : Ignored
            Not used, present here for API consistency by convention.

        sample_weight : array-like of shape (n_samples,), default=None
            The weight of each row; one of weight zero is left out. None is one each.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            The number of the cluster of each row.
        """
        return self.fit(X, sample_weight=sample_weight).labels_

    def predict(self, X):
        """Give the cluster of each row: the one with the nearest centre.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features) or \
                (n_samples, ...)
            The rows, or images.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            The number of the cluster of each row.
        """
        check_is_fitted(self)
        X = self._validate(X, reset=False)
        return self._distances(X).argmin(axis=1).astype(np.int32)

    def transform(self, X):
        """Give the distances of each row to the centres, between latent vectors.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features) or \
                (n_samples, ...)
            The rows, or images.

        Returns
        -------
        distances : ndarray of shape (n_samples, n_clusters)
            Distances, as those of `KMeans`.
        """
        check_is_fitted(self)
        return self._distances(self._validate(X, reset=False))

    def inverse_transform(self, Z):
        """Decode latent vectors, such as the centres of the clusters.

        Distances, as `transform` gives them, are decoded as the nearest centre. Where
        there are as many clusters as latent values, only the names of a frame's columns
        tell the two apart: an array is taken for latent vectors, with a warning if it
        looks like distances. `cluster_centers_[predict(X)]` is always clear.

        Parameters
        ----------
        Z : array-like of shape (n_samples, n_latents) or (n_samples, n_clusters)
            `cluster_centers_`, or what `transformer_.transform` gives, or distances.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features) or (n_samples, ...)
            Samples, in the shape that `fit` saw.

        Raises
        ------
        ValueError
            If Z has the columns of neither latent vectors nor distances.

        AttributeError
            If the transformer has no `inverse_transform`.
        """
        check_is_fitted(self)
        decode = self.transformer_.inverse_transform
        columns, names = [*getattr(Z, "columns", ())], [*self.get_feature_names_out()]
        named, given = bool({*columns} & {*names}), Z
        Z = check_array(
            Z, dtype=[np.float64, np.float32], estimator=self, input_name="Z"
        )
        n_clusters, n_latents = self.cluster_centers_.shape
        if columns == names if named else Z.shape[1] == n_clusters != n_latents:
            return decode(self.cluster_centers_[Z.argmin(axis=1)])
        if named or Z.shape[1] != n_latents:
            got = f"the columns {columns}" if named else f"an array of shape {Z.shape}"
            raise ValueError(
                "inverse_transform of AutoencoderClusterer expects latent vectors of "
                f"shape (n_samples, {n_latents}), such as `cluster_centers_`, or "
                f"distances to the {n_clusters} centres, as `transform` gives them. "
                f"Got {got}. For the centre of the cluster of each row, pass "
                "`cluster_centers_[clusterer.predict(X)]`."
            )
        if n_clusters == n_latents and Z.min() >= 0 > self.cluster_centers_.min():
            warn(
                "inverse_transform of AutoencoderClusterer takes Z for latent vectors, "
                "and it looks like distances: it has no negative value. With "
                f"{n_clusters} clusters and as many latent values nothing tells them "
                "apart; for the centre of the cluster of each row, pass "
                "`cluster_centers_[clusterer.predict(X)]`."
            )
        # The transformer knows the names of its columns.
        return decode(given if columns else Z)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        tags.input_tags.sparse = _takes_sparse(self.transformer)
        return tags

    def _validate(self, X, reset):
        """Check rows; images become rows for it, and images again."""
        kind = str(getattr(X, "dtype", ""))
        small = kind in ("bool", "float16", "int8", "int16", "uint8", "uint16")
        dtype = np.float32 if small else [np.float64, np.float32]
        shape = X.shape[1:] if getattr(X, "ndim", 2) > 2 else None
        if shape is not None:
            X = np.reshape(X, (len(X), math.prod(shape)))
        accepted = "csr" if _takes_sparse(self.transformer) else False
        with in_our_words(self):
            X = validate_data(self, X, reset=reset, dtype=dtype, accept_sparse=accepted)
        if reset:
            self._sample_shape = shape
        elif shape is None:
            shape = self._sample_shape
        if issparse(X):
            return X
        return X if shape is None else X.reshape(len(X), *shape)

    @one_blas_thread()
    def _distances(self, X):
        Z = np.asarray(self.transformer_.transform(X))
        return pairwise_distances(Z, self.cluster_centers_.astype(Z.dtype))


def _takes_sparse(transformer):
    """Tell whether a transformer, or the default one, takes sparse matrices."""
    if transformer is None:
        transformer = AutoencoderTransformer()
    tagged = hasattr(transformer, "__sklearn_tags__")
    return tagged and get_tags(transformer).input_tags.sparse


def _fitted(transformer, rows, weight, random_state):
    """Fit a copy of a transformer; what it leaves to chance follows the seed."""
    if transformer is None:
        transformer = AutoencoderTransformer(early_stopping=False)
    new = seeded(transformer, random_state)
    if weight is None or not has_fit_parameter(new, "sample_weight"):
        return new.fit(rows)
    return new.fit(rows, sample_weight=weight)


def _centers(Z, labels, weight, n_clusters):
    """Give the mean latent vector of each cluster."""
    weight = np.ones(len(Z)) if weight is None else weight
    found = np.unique(labels)
    means = np.stack(
        [
            np.average(Z[one], axis=0, weights=weight[one])
            for one in labels == found[:, None]
        ]
    )
    # Where fewer latent vectors differ than clusters are asked for, centres are twins.
    centers = np.repeat(means[:1], n_clusters, axis=0)
    centers[found] = means
    return centers.astype(Z.dtype)
