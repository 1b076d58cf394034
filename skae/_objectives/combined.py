"""From what `objective` names to one object: several are combined."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

from collections.abc import Callable, Sequence
from typing import Any

from sklearn.base import BaseEstimator

from skae._copies import copy_with_keras
from skae._objectives.objective import (
    HOOKS_OF_BATCHES,
    HOOKS_OF_ROWS,
    hook,
    hooks,
    penalty_of,
)

# Hooks that only one of several may have: two would have to agree.
_OF_ONE = (
    *("code_size", "latents", "encoded", "losses", "places", "prior"),
    "penalty_share",
)
_OF_ALL = ("samples", "inputs", "penalty", "end", "go_on")


class Combined(BaseEstimator):
    """Objectives that are pursued at the same time.

    Samples go through the `samples` and the `inputs` of all of them, in their order;
    penalties are added up; other hooks are those of the one that has them. It has those
    that they have.
    """

    def __init__(self, objectives: Sequence[Any]):
        self.objectives = objectives

    @property
    def plain_arithmetic(self) -> bool:
        """Whether NumPy can call the hooks: it draws from a batch as it was."""
        plain = (getattr(one, "plain_arithmetic", False) for one in self.objectives)
        return all(plain) and len(self._having("inputs")) < 2

    def __getattr__(self, name: str) -> Any:
        found = self._having(name) if name in (*_OF_ONE, *_OF_ALL) else []
        if not found:
            raise AttributeError(f"{type(self).__name__} has no {name!r}")
        if len(found) == 1:
            return found[0]
        chained = dict.fromkeys(("samples", "inputs"), _one_by_one)
        return {**chained, "penalty": _sum}.get(name, _each)(found)

    def _having(self, name: str) -> list[Callable]:
        hooks = (hook(one, name) for one in self.objectives)
        return [one for one in hooks if one is not None]


def _one_by_one(hooks: list[Callable]) -> Callable:
    def change(x: Any, draw: Any) -> Any:
        for one in hooks:
            x = one(x, draw)
        return x

    return change


def _sum(hooks: list[Callable]) -> Callable:
    def penalty(code: Any, latents: Any, weight: Any) -> Any:
        return sum(penalty_of(one, code, latents, weight) for one in hooks)

    return penalty


def _each(hooks: list[Callable]) -> Callable:
    def tell(what: Any) -> None:
        for one in hooks:
            one(what)

    return tell


def resolve_objective(objective: Any) -> Any:
    """Give a copy of the user's objective, or of several as one.

    None is the plain autoencoder.
    """
    if objective is None:
        return None
    if isinstance(objective, (list, tuple)) and objective:
        return _combine([_resolve_one(one) for one in objective])
    return _resolve_one(objective)


def _resolve_one(objective: Any) -> Any:
    if isinstance(objective, (str, type)) or not hooks(objective):
        raise ValueError(
            "The 'objective' parameter must be None or an object with one of the "
            f"methods {', '.join((*HOOKS_OF_ROWS, *HOOKS_OF_BATCHES))}, such as "
            f"Denoising(), or a list of such objects. Got {objective!r} instead."
        )
    found = hooks(objective)
    pairs = ("code_size", "latents"), ("latents", "encoded"), ("encoded", "latents")
    for one, other in pairs:
        if (one in found) and (other not in found):
            raise ValueError(
                f"The objective {objective!r} has `{one}` but no `{other}`. Expected "
                "`code_size`, `latents` and `encoded` together, or `latents` and "
                "`encoded` where the code is as long as the latent vector."
            )
    return copy_with_keras(objective, "the objective")


def _combine(objectives: Sequence[Any]) -> Combined:
    """Give objectives as one, or say which of them cannot go together."""
    for name in _OF_ONE:
        having = [one for one in objectives if hook(one, name) is not None]
        if len(having) > 1:
            raise ValueError(
                "The 'objective' parameter names objectives that cannot be combined: "
                f"{', '.join(map(repr, having))} each have `{name}`, and of several "
                "objectives only one may have it. Leave all but one of them out."
            )
    return Combined(objectives)


def named(objectives: Any) -> dict[str, Any]:
    """Give the objectives of a list by the names under which they are searched.

    These are the names of their classes in lower case, numbered where there are
    several, as `make_pipeline` names its steps. What is no list has none.
    """
    if not isinstance(objectives, (list, tuple)):
        return {}
    names = [type(one).__name__.lower() for one in objectives]
    found = {}
    for i, (name, one) in enumerate(zip(names, objectives, strict=True)):
        number = f"-{names[: i + 1].count(name)}" if names.count(name) > 1 else ""
        found[name + number] = one
    return found
