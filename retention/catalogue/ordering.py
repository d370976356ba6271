"""An order in which what holds others in place comes first, and what prolongs others last."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TypeVar

T = TypeVar("T")


def in_order(
    names: Sequence[T],
    held_by: Callable[[T], Collection[T]],
    prolonged_by: Callable[[T], Collection[T]],
) -> list[T]:
    """``names``: each after what holds it in place and, where it can be, after what it prolongs.

    Where names prolong each other in a circle, their own order decides.
    """
    held = {name: set(held_by(name)) for name in names}
    prolongs = {name: set(prolonged_by(name)) for name in names}
    left: list[T] = []

    def visit(name: T) -> None:
        if name in left:
            return
        for other in names:
            if other in held[name]:
                visit(other)
        if name not in left:
            left.append(name)

    for name in names:
        visit(name)
    order: list[T] = []
    while left:
        ready = [name for name in left if held[name].isdisjoint(left)]
        best = [name for name in ready if prolongs[name].isdisjoint(left)]
        order.append((best or ready or left)[0])
        left.remove(order[-1])
    return order
