"""Transformations of frames, in the ``fit``/``transform`` convention: frames in, frames out.

Each is fitted before it transforms (``NotFitted`` otherwise), never changes the frame it is
given, and keeps the index. What they do to a value is decided elsewhere: ``rules``,
``frame_pseudonyms``, ``scrubbing``.
"""

from anonymizers.transforms.base import Chain, NotFitted, Transform, TransformError
from anonymizers.transforms.coding import TopBottomCode
from anonymizers.transforms.columns import Generalise, Mask, Pseudonymise, ScrubText
from anonymizers.transforms.suppressing import OTHER, Suppress, SuppressRare

__all__ = [
    "OTHER",
    "Chain",
    "Generalise",
    "Mask",
    "NotFitted",
    "Pseudonymise",
    "ScrubText",
    "Suppress",
    "SuppressRare",
    "TopBottomCode",
    "Transform",
    "TransformError",
]
