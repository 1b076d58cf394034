"""The seam: what a step minimises, and where latent vectors are drawn to.

An objective is an object with any of these hooks, and whoever has none of them is no
objective. A family is a class in a file of its own.

Of rows, in both engines:

`places(epoch, view)`
    At the beginning of an epoch: None, or a place for the latent vector of each row to
    train on, (n_rows, latent_dim), and a strength. From then on the mean square
    distance of latent vectors to their places, times the strength, joins the loss, or
    with a third value that is true the root of it
    (Duque et al. 2020, "Extendable and invertible manifold learning with geometry
    regularized autoencoders"). `view` is a `View`.
`end(view)`
    After the last epoch.

Of batches, as tensors, where `draw` gives random numbers (`skae._engines.draws.Draw`):

`samples(x, draw)`
    What a step trains on instead of x: the encoder gets it, and the decoder is asked
    for it.
`inputs(x, draw)`
    What the encoder gets in training instead of x, which the decoder is still asked
    for.
`code_size(latent_dim)`
    How many values the encoder gives.
`latents(code, draw)`
    The latent vectors that the decoder gets in training, from what the encoder gives.
`encoded(code)`
    The latent vectors that `transform` gives.
`losses(loss, x, outputs)`
    A loss a sample, where `loss(x, outputs)` is the one that `loss` names.
`penalty(code, latents)` or `penalty(code, latents, weight)`
    What joins the loss of each sample. What compares samples with others asks for their
    weights, to count each as often as it weighs.

`plain_arithmetic = True` says that the hooks of batches are written with operators and
`draw` alone, so that the NumPy engine can call them, too. It knows `inputs`.
`latents_lead = True` says that `encoded` gives the first values of the code, as many as
a latent vector has: so `transform` of a dense network needs no TensorFlow.
"""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np

from skae._copies import layers_in

HOOKS_OF_ROWS = ("places", "end")
HOOKS_OF_BATCHES = (
    *("samples", "inputs", "code_size", "latents", "encoded", "losses", "penalty"),
)
# What goes with a hook, and makes no objective alone.
COMPANIONS = ("go_on", "penalty_share", "prior")
# The hooks of batches that the NumPy engine calls.
_NUMPY_HOOKS = {"inputs"}

Places = tuple[np.ndarray, float] | tuple[np.ndarray, float, bool]


class View(Protocol):
    """What an objective may see of a run, and do to it, between two epochs."""

    n_epochs: int
    # The loss of the last epoch, or of none so far.
    loss: float

    @property
    def n_rows(self) -> int:
        """The number of rows to train on."""

    @property
    def labels(self) -> np.ndarray | None:
        """The labels of these rows, where `fit` was given some."""

    @property
    def rows_stay(self) -> bool:
        """Whether the rows come in the same order each time, as places must."""

    def of_all(self, function: Callable) -> np.ndarray:
        """Give what a function makes of the rows to train on, in the order of places.

        It gets the samples of some rows after the other, and gives a row for each.
        """

    def encode_all(self) -> np.ndarray:
        """Give the latent vectors of the rows to train on, in the order of places."""

    def encode_some(self, n: int) -> np.ndarray:
        """Give the latent vectors of n of them, drawn at random."""

    def some_of(self, Z: np.ndarray, n: int) -> np.ndarray:
        """Give n of the rows of an array, drawn at random."""

    def seed(self) -> int:
        """Give a number that follows from `random_state`."""

    def map_latents(self, mapping: np.ndarray) -> None:
        """Multiply all latent vectors by a matrix; reconstructions stay as they are.

        The optimizer starts anew, since its averages belong to the weights before.
        """


class Facts(NamedTuple):
    """What decides whether an arrangement can be made."""

    n_rows: int
    latent_dim: int
    n_epochs: int
    n_steps: int
    # Whether a matrix can be put into the layers around the latent vector.
    linear_latents: bool
    early_stopping: bool
    # The objective, if it says where latent vectors lie or what they are like.
    shaped_by: Any = None
    # Whether columns are rarely anything but zero, as words in texts are.
    rare: bool = False


def hooks(objective: Any) -> set[str]:
    """Give the names of the hooks that an objective has."""
    names = (*HOOKS_OF_ROWS, *HOOKS_OF_BATCHES)
    return {name for name in names if callable(getattr(objective, name, None))}


def shapes_latents(objective: Any) -> bool:
    """Tell whether an objective says where latent vectors lie or what they are like."""
    return bool(hooks(objective) & {"places", "latents", "penalty"})


def hook(objective: Any, name: str) -> Callable | None:
    """Give a hook of an objective, or None."""
    found = getattr(objective, name, None)
    return found if callable(found) else None


def penalty_of(penalty: Callable, code: Any, latents: Any, weight: Any) -> Any:
    """Give what a hook adds to the loss of each sample; it may ask for weights."""
    if "weight" in inspect.signature(penalty).parameters:
        return penalty(code, latents, weight=weight)
    return penalty(code, latents)


def latents_lead(objective: Any) -> bool:
    """Tell whether the code begins with what `transform` gives."""
    # Whoever wraps an objective has its hooks, and not all of its attributes.
    owner = getattr(hook(objective, "encoded"), "__self__", None)
    for cls in type(owner).__mro__:
        if "latents_lead" in vars(cls):
            return vars(cls)["latents_lead"] is True
        if "encoded" in vars(cls):  # one that says something else than its base
            return False
    return False


def is_masked(objective: Any) -> bool:
    """Tell whether NaN stands for what is missing: see `masking.py`."""
    return bool(getattr(objective, "masks", False))


def layers_that_draw(objective: Any) -> list[Any]:
    """Give the layers of an objective that draw, and learn and remember nothing."""
    if getattr(objective, "layers_only_draw", False) is True:
        return list(layers_in(objective))
    if is_masked(objective):
        return layers_that_draw(objective.objective)
    several = getattr(objective, "objectives", ())
    if not isinstance(several, (list, tuple)):
        return []
    return [layer for one in several for layer in layers_that_draw(one)]


def runs_in_numpy(objective: Any) -> bool:
    """Tell whether the NumPy engine does all that an objective asks for."""
    if is_masked(objective):  # which both engines know
        objective = objective.objective
    of_batches = hooks(objective) - {*HOOKS_OF_ROWS}
    plain = bool(getattr(objective, "plain_arithmetic", False))
    return not of_batches or (plain and of_batches <= _NUMPY_HOOKS)


def refuse_other_shape(
    name: str, objective: Any, given: Any, expected: tuple[int | None, ...]
) -> None:
    """Refuse what a hook of batches gives if its shape is not the one expected."""
    shape = tuple(getattr(given, "shape", ()))
    agrees = len(shape) == len(expected) and all(
        a is None or b is None or a == b for a, b in zip(shape, expected, strict=True)
    )
    if not agrees:
        raise ValueError(
            f"`{name}` of the objective {objective!r} must give an array of shape "
            f"{expected}, where None is the number of samples. Got {shape}."
        )
