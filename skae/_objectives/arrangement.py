"""Which arrangement of the latent space `arrange` stands for."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

from typing import Any

from skae._objectives.manifold import Manifold
from skae._objectives.objective import Facts
from skae._objectives.spectral import Spectral
from skae._objectives.whitening import Whitening

NAMES = ("spectral", "whiten")


def is_learner(arrange: Any) -> bool:
    """Tell whether `arrange` is an object whose map latent vectors learn."""
    learns = callable(getattr(arrange, "fit_transform", None))
    return learns and not isinstance(arrange, type)


def make_arrangement(arrange: Any, facts: Facts) -> tuple[Any, str]:
    """Give what arranges the latent space in a run, if anything, and what to say of it.

    What is said may change in the run: an arrangement `told` in the end.
    """
    if arrange is None:
        return None, "nothing: arrange=None"
    if is_learner(arrange):
        return Manifold(arrange, facts), type(arrange).__name__
    if not isinstance(arrange, str) or arrange not in NAMES:
        raise ValueError(
            "The 'arrange' parameter must be 'spectral', 'whiten', None or an object "
            f"with the method fit_transform, such as TSNE(). Got {arrange!r} instead."
        )
    if facts.shaped_by is not None:
        return None, f"nothing: {facts.shaped_by!r} says what latent vectors are like"
    why_not = Whitening.why_not(facts)
    if why_not is not None:
        return None, f"nothing: {why_not}"
    if arrange == "whiten":
        return Whitening(guarded=False), Whitening.name
    why_not = Spectral.why_not(facts)
    if why_not is not None:
        whitening = Whitening(rare=facts.rare)
        return whitening, f"{whitening.told()}; not {Spectral.name}: {why_not}"
    spectral = Spectral(facts.n_epochs, facts.rare)
    return spectral, f"{Whitening.name}, {Spectral.name}"
