"""Sparse latent vectors: few values tell a sample, and the others are near zero."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

from numbers import Real

from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval

__all__ = ["Sparse"]

# The square of a length that counts as none.
_TINY = 1e-12


class Sparse(BaseEstimator):
    """Learn latent vectors of which few values are large.

    The penalty of a sample is the ratio of the sum of the absolute values of its latent
    vector to the length of it, over the largest that this can be: 1 where all values
    are equally large, near zero where one stands alone [1]_. `history_` has its mean,
    as "penalty".

    Parameters
    ----------
    weight : float, default=0.01
        The factor of the penalty, beside a loss of the reconstruction that is a mean
        over features. More of it leaves fewer values, for a higher error.

    See Also
    --------
    AutoencoderTransformer : Takes it as `objective`.

    Notes
    -----
    The sum of the absolute values alone, as of a regularizer of Keras, is made small by
    making all of them small: the decoder has only to multiply by more. The ratio does
    not change when a latent vector is multiplied by a number.

    References
    ----------
    .. [1] Hoyer, P. O. (2004). "Non-negative matrix factorization with sparseness
       constraints". JMLR 5, 1457-1469.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import AutoencoderTransformer, Sparse
    >>> X = load_digits().data / 16
    >>> ae = AutoencoderTransformer(32, objective=Sparse(), epochs=5).fit(X)
    >>> ae.transform(X).shape
    (1797, 32)
    """

    _parameter_constraints = {"weight": [Interval(Real, 0, None, closed="left")]}

    def __init__(self, weight=0.01):
        self.weight = weight

    def penalty(self, code, latents):
        """Give what is missing to a sparse vector.

        Parameters
        ----------
        code : tensor of shape (n_samples, code_size)
            Not used.

        latents : tensor of shape (n_samples, latent_dim)
            Latent vectors.

        Returns
        -------
        penalty : tensor of shape (n_samples,)
            The ratio, times `weight`.
        """
        import keras

        self._validate_params()
        ops = keras.ops
        lengths = ops.sqrt(latents.shape[1] * ops.sum(latents**2, axis=1) + _TINY)
        return float(self.weight) * ops.sum(ops.abs(latents), axis=1) / lengths
