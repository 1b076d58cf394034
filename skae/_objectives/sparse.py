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
    are equally large, near zero where one stands alone [1]_. Each latent value is
    measured in its root mean square over the batch, so that none is large for all
    samples. `history_` has the mean, as "penalty".

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
    not change when a latent vector is multiplied by a number; that one latent value
    grows for all samples does not change it either [2]_.

    The root mean square counts each row of the batch as often as it weighs, and in the
    scope of `tf.distribute` the rows of each worker.

    References
    ----------
    .. [1] Hoyer, P. O. (2004). "Non-negative matrix factorization with sparseness
       constraints". JMLR 5, 1457-1469.

    .. [2] Ngiam, J., Chen, Z., Bhaskar, S., Koh, P. and Ng, A. (2011). "Sparse
       filtering". Advances in Neural Information Processing Systems 24, which brings
       features to one length over the samples first.

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

    def penalty(self, code, latents, weight):
        """Give what is missing to a sparse vector.

        Parameters
        ----------
        code : tensor of shape (n_samples, code_size)
            Not used.

        latents : tensor of shape (n_samples, latent_dim)
            Latent vectors.

        weight : tensor of shape (n_samples,)
            How often each sample counts.

        Returns
        -------
        penalty : tensor of shape (n_samples,)
            The ratio, times `weight`.
        """
        import keras

        self._validate_params()
        ops = keras.ops
        weight = ops.cast(weight, latents.dtype)[:, None]
        mean = ops.sum(weight * latents**2, axis=0) / (ops.sum(weight) + _TINY)
        units = latents / ops.sqrt(mean + _TINY)
        lengths = ops.sqrt(latents.shape[1] * ops.sum(units**2, axis=1) + _TINY)
        return float(self.weight) * ops.sum(ops.abs(units), axis=1) / lengths
