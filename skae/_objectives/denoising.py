"""Denoising: the encoder gets samples that are spoilt, and the decoder the whole ones.

What is learned is robust to what spoils the samples (Vincent et al. 2008, "Extracting
and composing robust features with denoising autoencoders").
"""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

from numbers import Real

from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, StrOptions

__all__ = ["Denoising"]


class Denoising(BaseEstimator):
    """Learn to reconstruct samples from spoilt ones.

    Only training spoils samples: `transform` and `score` take them as they are.

    Parameters
    ----------
    noise : float, default=0.1
        How much is spoilt. For "gaussian" the standard deviation of the noise, in the
        units of X; for "mask" and "swap" the share of the values, up to 1.

    kind : {"gaussian", "mask", "swap"}, default="gaussian"
        "gaussian" adds noise to each value, "mask" sets values to zero, "swap" puts
        the value of the same feature from another sample of the batch in their place,
        so that each value is one that occurs.

    See Also
    --------
    AutoencoderTransformer : Takes it as `objective`.

    References
    ----------
    .. [1] Vincent, P., Larochelle, H., Bengio, Y. and Manzagol, P.-A. (2008).
       "Extracting and composing robust features with denoising autoencoders". ICML.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import AutoencoderTransformer, Denoising
    >>> X = load_digits().data / 16
    >>> ae = AutoencoderTransformer(8, objective=Denoising(0.2), epochs=5)
    >>> ae.fit_transform(X).shape
    (1797, 8)
    """

    # The hooks are written with operators and `draw` alone: both engines call them.
    plain_arithmetic = True

    _parameter_constraints = {
        "noise": [Interval(Real, 0, None, closed="left")],
        "kind": [StrOptions({"gaussian", "mask", "swap"})],
    }

    def __init__(self, noise=0.1, kind="gaussian"):
        self.noise = noise
        self.kind = kind

    def inputs(self, x, draw):
        """Spoil a batch.

        Parameters
        ----------
        x : ndarray or tensor of shape (n_samples, ...)
            The samples of a step.

        draw : object
            What gives random numbers.

        Returns
        -------
        spoilt : ndarray or tensor of shape (n_samples, ...)
            What the encoder gets.
        """
        self._validate_params()
        if self.kind == "gaussian":
            return x + float(self.noise) * draw.normal(x)
        if self.noise > 1:
            raise ValueError(
                f"`noise` of Denoising is a share for kind={self.kind!r}: expected 0 "
                f"to 1, got {self.noise!r}."
            )
        kept = draw.kept(x, 1 - float(self.noise))
        if self.kind == "mask":
            return x * kept
        return x * kept + draw.permuted(x) * (1 - kept)
