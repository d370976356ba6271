"""The distinct values of a column, and where each row's stands: work is done once a value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

Places = npt.NDArray[np.integer[Any]]


def distinct(values: pd.Series[Any]) -> tuple[Places, list[Any]]:
    """Each row's place among the distinct values, -1 for nulls, and those values."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        return values.cat.codes.to_numpy(), list(values.cat.categories)
    if isinstance(values.dtype, pd.StringDtype):
        encoded = arrow_strings(values).dictionary_encode()
        # Not `to_pylist`, which makes a scalar object of each value first.
        uniques = encoded.dictionary.to_numpy(zero_copy_only=False).tolist()
        return encoded.indices.fill_null(-1).to_numpy(), uniques
    places, found = pd.factorize(values)
    return places, list(found)


def spread(
    places: Places, results: Sequence[str | None], values: pd.Series[Any], null: str | None
) -> pd.Series[Any]:
    """The result of each row's value (dtype ``str``), ``null`` for nulls; index and name kept."""
    each = pd.array([*results, null], dtype="str")
    # -1, the place of nulls, is the last one.
    spread_out = each.take(np.where(places < 0, len(results), places))
    return pd.Series(spread_out, index=values.index, name=values.name)


def arrow_strings(values: pd.Series[Any]) -> Any:
    """A column of texts or whole numbers as one Arrow array of large strings."""
    pa = arrow()
    texts = pa.array(values.array, from_pandas=True).cast(pa.large_string())
    return texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts


def of_arrow(texts: Any) -> Any:
    """An Arrow array of large strings as an array of pandas' ``str``, without a copy."""
    dtype: Any = pd.StringDtype("pyarrow", na_value=np.nan)
    return dtype.__from_arrow__(texts)


def arrow() -> Any:
    """The module ``pyarrow``, which is heavy and has no types."""
    import pyarrow as pa  # noqa: PLC0415 - heavy, and not every caller comes here

    return pa
