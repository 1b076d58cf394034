"""What comes in to KerasAutoencoderTransformer, and what a failed fit leaves."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import copy
import math
from contextlib import contextmanager

import numpy as np
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import validate_data

from skae._data.validation import kept_dtype


def check_X(estimator, X, reset):
    """Validate `X`: rows of features, or samples of any one shape."""
    checks = {"dtype": dtypes(X), "allow_nd": reset}
    if reset:
        X = validate_data(estimator, X, **checks)
        estimator.sample_shape_ = X.shape[1:]
        # scikit-learn counts the columns, which of images are only the rows.
        estimator.n_features_in_ = math.prod(X.shape[1:])
    elif len(estimator.sample_shape_) == 1:
        X = validate_data(estimator, X, reset=False, **checks)
    else:
        checks |= {"allow_nd": True, "estimator": estimator, "input_name": "X"}
        X = check_array(X, **checks)
        if X.shape[1:] != estimator.sample_shape_:
            raise ValueError(
                f"X has samples of shape {X.shape[1:]}, but {type(estimator).__name__} "
                "is expecting samples of shape "
                f"{estimator.sample_shape_}, as in fit."
            )
    return X


def shaped(X: np.ndarray, shape: tuple[int | None, ...], role: str) -> np.ndarray:
    """Return `X` with samples of the shape that the network's input or output has."""
    same_rank = len(shape) == X.ndim - 1
    if same_rank and all(
        n in (None, m) for n, m in zip(shape, X.shape[1:], strict=True)
    ):
        return X
    sizes = [n for n in shape if n is not None]
    if len(sizes) == len(shape) and math.prod(sizes) == math.prod(X.shape[1:]):
        return X.reshape(len(X), *sizes)
    raise ValueError(
        f"Expected samples that the {role} of the network can hold, of shape {shape}. "
        f"Received samples of shape {X.shape[1:]}. Change X, or the function that "
        "builds the network: scikeras tells it the shape of X as "
        "meta['X_shape_'] if it has a parameter named meta."
    )


def dtypes(X):
    """Name the dtypes to keep, first the one to which others are converted."""
    # Pixels as float64 would take eight times their memory and gain no precision.
    kept = kept_dtype(X)
    small = isinstance(kept, np.dtype) and kept != np.float64
    return [np.float32, np.float64] if small else [np.float64, np.float32]


def check_decoder(estimator, what):
    """Refuse what needs a decoder where the network has none."""
    if estimator.decoder_ is None:
        raise ValueError(
            f"{what} expects a network whose output depends on the latent vector "
            "alone. The output of this one also depends on layers before "
            f"latent_layer={estimator.latent_layer!r}, through a connection that skips "
            "it. Remove that connection, or name a later layer; transform and "
            "score work as they are."
        )


def draw_seeds(estimator):
    """Draw the seeds of the initial weights and of the order of the samples."""
    random_state = estimator.random_state
    if random_state is None:
        # Copied, because drawing from it would change the user's regressor.
        random_state = copy.deepcopy(getattr(estimator.regressor, "random_state", None))
    top = np.iinfo(np.int32).max
    return check_random_state(random_state).randint(top, size=2).tolist()


@contextmanager
def unchanged_on_error(estimator):
    """Put the attributes of an estimator back if what is done inside fails."""
    before = vars(estimator).copy()
    try:
        yield
    except BaseException:
        estimator.__dict__ = before
        raise
