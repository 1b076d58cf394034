"""The variational autoencoder: latent vectors that can be drawn.

The encoder gives a normal distribution for each sample, the decoder gets a draw from
it, and a penalty keeps these distributions near the standard normal one (Kingma and
Welling 2014, "Auto-encoding variational Bayes").
"""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import math
from numbers import Real

from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval

__all__ = ["Variational"]

# The least variance about reconstructions that is told from none: its logarithm has an
# end.
_MIN_VARIANCE = 1e-6


class Variational(BaseEstimator):
    """Learn a distribution of samples that new ones can be drawn from.

    The loss is minus the evidence lower bound of the log-likelihood, in nats a sample:
    what it takes to reconstruct a sample, summed over its features, and beside it the
    Kullback-Leibler divergence of its latent distribution from the standard normal one
    [1]_. `history_` has both, as "reconstruction" and as "penalty". `transform` gives
    the means of the latent distributions, and `sample` of the transformer draws.

    Parameters
    ----------
    beta : float, default=1.0
        The factor of the divergence. 1 is the bound; more than 1 disentangles latent
        values, for a higher reconstruction error [2]_; less than 1 reconstructs
        better, and what is drawn is less like the samples.

    warm_up : float, default=0.2
        The share of the epochs, up to 1, in which `beta` rises to its value in the
        steps, so that the decoder learns to use latent values before they are
        penalised [3]_. `history_` has the whole penalty at any time. `partial_fit`
        does not know how long the run will be, and has all of it at once.

    See Also
    --------
    AutoencoderTransformer : Takes it as `objective`.

    Notes
    -----
    With `loss="binary_crossentropy"`, pixels are the probabilities of black and white,
    and the loss is the bound. With `loss="mse"`, a value is normal about its
    reconstruction with the variance that suits the batch best, its mean squared error,
    which spares a factor to be searched [4]_. Other losses are summed over the
    features.

    Implementations that average their loss over `n` features, and add the divergence
    times a factor, have a `beta` of `n` times that factor.

    References
    ----------
    .. [1] Kingma, D. P. and Welling, M. (2014). "Auto-encoding variational Bayes".
       ICLR.
    .. [2] Higgins, I. et al. (2017). "beta-VAE: learning basic visual concepts with a
       constrained variational framework". ICLR.
    .. [3] Sonderby, C. K., Raiko, T., Maaloe, L., Sonderby, S. K. and Winther, O.
       (2016). "Ladder variational autoencoders". NeurIPS.
    .. [4] Rybkin, O., Daniilidis, K. and Levine, S. (2021). "Simple and effective VAE
       training with calibrated decoders". ICML.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import AutoencoderTransformer, Variational
    >>> X = load_digits().data / 16
    >>> ae = AutoencoderTransformer(5, objective=Variational(), epochs=5).fit(X)
    >>> ae.transform(X).shape
    (1797, 5)
    >>> ae.sample(3).shape
    (3, 64)
    """

    _parameter_constraints = {
        "beta": [Interval(Real, 0, None, closed="left")],
        "warm_up": [Interval(Real, 0, 1, closed="both")],
    }

    def __init__(self, beta=1.0, warm_up=0.2):
        self.beta = beta
        self.warm_up = warm_up

    def code_size(self, latent_dim):
        """Ask for a mean and the logarithm of a variance for each latent value.

        Parameters
        ----------
        latent_dim : int
            The size of a latent vector.

        Returns
        -------
        size : int
            Twice as much.
        """
        self._validate_params()
        return 2 * latent_dim

    def latents(self, code, draw):
        """Draw latent vectors.

        Parameters
        ----------
        code : tensor of shape (n_samples, 2 * latent_dim)
            Means and logarithms of variances.

        draw : object
            What gives random numbers.

        Returns
        -------
        latents : tensor of shape (n_samples, latent_dim)
            What the decoder gets.
        """
        import keras

        mean, log_variance = keras.ops.split(code, 2, axis=1)
        return mean + keras.ops.exp(log_variance / 2) * draw.normal(mean)

    def encoded(self, code):
        """Give the means.

        Parameters
        ----------
        code : tensor of shape (n_samples, 2 * latent_dim)
            Means and logarithms of variances.

        Returns
        -------
        latents : tensor of shape (n_samples, latent_dim)
            What `transform` gives.
        """
        import keras

        return keras.ops.split(code, 2, axis=1)[0]

    def losses(self, loss, x, outputs):
        """Give minus the log-likelihood of samples about their reconstructions.

        Parameters
        ----------
        loss : callable
            The loss that the transformer names, a mean over features.

        x : tensor of shape (n_samples, ...)
            The samples.

        outputs : tensor of shape (n_samples, ...)
            The reconstructions.

        Returns
        -------
        losses : tensor of shape (n_samples,)
            Nats, one value a sample.
        """
        import keras

        n_features = math.prod(x.shape[1:])
        errors = loss(x, outputs)
        if loss.__name__ != "mean_squared_error":
            return n_features * errors
        variance = keras.ops.maximum(loss.mean(errors), _MIN_VARIANCE)
        # The gradient by the variance is zero: it is the best one.
        variance = keras.ops.stop_gradient(variance)
        spread = keras.ops.log(2 * math.pi * variance)
        return n_features / 2 * (errors / variance + spread)

    def penalty(self, code, latents):
        """Give the divergence from the standard normal distribution.

        Parameters
        ----------
        code : tensor of shape (n_samples, 2 * latent_dim)
            Means and logarithms of variances.

        latents : tensor of shape (n_samples, latent_dim)
            Not used.

        Returns
        -------
        penalty : tensor of shape (n_samples,)
            Nats, times `beta`.
        """
        import keras

        mean, log_variance = keras.ops.split(code, 2, axis=1)
        terms = mean**2 + keras.ops.exp(log_variance) - 1 - log_variance
        return float(self.beta) * keras.ops.sum(terms, axis=1) / 2

    def penalty_share(self, epoch, n_epochs):
        """Say how much of the penalty counts in the steps of an epoch.

        Parameters
        ----------
        epoch : int
            The epoch, from 0 on.

        n_epochs : int
            How many there are.

        Returns
        -------
        share : float
            1 is all of it.
        """
        rising = math.floor(self.warm_up * n_epochs)
        return min(1.0, (epoch + 1) / (rising + 1))

    def prior(self, shape, random_state):
        """Draw latent vectors that the decoder makes samples of.

        Parameters
        ----------
        shape : tuple of int
            (n_samples, latent_dim).

        random_state : RandomState instance
            What draws.

        Returns
        -------
        latents : ndarray of shape (n_samples, latent_dim)
            Standard normal numbers.
        """
        return random_state.normal(size=shape)
