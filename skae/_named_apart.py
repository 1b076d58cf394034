"""Layers of skae beside those of the user, which keep the names that they have."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

from collections.abc import Iterator
from typing import Any


def make_apart(start: Any, end: Any) -> None:
    """Name layers up to one tensor otherwise than those between it and another.

    A model has each name once. Tensors of neither Keras nor a graph are let be.
    """
    if not hasattr(end, "_keras_history"):
        return
    ours = {id(operation) for operation in _operations(start)}
    before = [*_operations(start)]
    names = {op.name for op in _operations(end) if id(op) not in ours}
    taken = names | {operation.name for operation in before}
    for operation in before:
        if operation.name in names:
            operation.name = unused(operation.name, taken)
            taken.add(operation.name)
            if not operation._inbound_nodes[0].input_tensors:
                operation.output.name = operation.name


def unused(name: str, taken: set[str]) -> str:
    """Give a name that is not taken: the name itself, or with a number."""
    number, found = 0, name
    while found in taken:
        number += 1
        found = f"{name}_{number}"
    return found


def _operations(tensor: Any) -> Iterator[Any]:
    """Give the operations that a tensor is made by, each once."""
    seen, found, left = set(), set(), [tensor]
    while left:
        operation, number, _ = left.pop()._keras_history
        if (id(operation), number) in seen:
            continue
        seen.add((id(operation), number))
        left += operation._inbound_nodes[number].input_tensors
        if id(operation) not in found:
            found.add(id(operation))
            yield operation
