"""Frames as Great Expectations' batches, in a context that writes, sends and shows nothing."""

import logging
from functools import cache
from typing import Any


def batch_of(name: str, frame: Any) -> Any:
    """``frame`` (a pandas frame) as a batch of the asset ``name``."""
    return _definition(name).get_batch({"dataframe": frame})


@cache
def _definition(name: str) -> Any:
    asset = _source().add_dataframe_asset(name)
    return asset.add_batch_definition_whole_dataframe(name)


@cache
def _source() -> Any:
    import great_expectations as gx  # noqa: PLC0415 - seconds to import
    from great_expectations.data_context.types.base import (  # noqa: PLC0415
        DataContextConfig,
        InMemoryStoreBackendDefaults,
    )

    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    context = gx.get_context(
        mode="ephemeral",
        project_config=DataContextConfig(
            store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
            progress_bars={"globally": False, "metric_calculations": False},
            analytics_enabled=False,
        ),
    )
    return context.data_sources.add_pandas("frames")
