"""What earlier releases have told: what the next one is compared with, and repeats."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retention.errors import ConfigurationError
from retention.releases import records as store
from retention.releases.describing import Part, part_meaning
from retention.releases.files import parquet_frame
from retention.releases.model import CubeDeclaration, DifferentialPrivacy
from retention.releases.parts import Making

if TYPE_CHECKING:
    import pandas as pd


def published_before(making: Making, name: str, part: Part) -> list[store.Kept]:
    """What earlier releases have told of a part, oldest first.

    Raises:
        ConfigurationError: it was declared otherwise: the two could not be compared.
    """
    found = []
    for record in store.once_public(making.installation, making.release):
        kept = store.kept(making.installation, record).get(name)
        if kept is None:
            continue
        if kept.meaning != part_meaning(part, making.folder):
            raise ConfigurationError(
                f"{making.release}: '{name}' was published with other columns, margins or "
                "protection before, so that the two cannot be compared; give the changed one "
                "another name"
            )
        found.append(kept)
    return found


def drawn_before(
    making: Making, name: str, cube: CubeDeclaration, protection: DifferentialPrivacy
) -> pd.DataFrame | None:
    """The noisy cells that stay as they are: drawn for an earlier release, or for this month's.

    What waits in quarantine counts as drawn, too: a second draw would cost budget for nothing.
    """
    wanted = part_meaning(cube, making.folder)
    published_before(making, name, cube)  # refuses what was published otherwise
    public = store.once_public(making.installation, making.release)
    waiting = [
        record
        for record in store.records(making.installation, making.release)
        if record.published_at is None
    ]
    for record in [*reversed(waiting), *reversed(public)]:
        if protection.period is None and record.month != making.month:
            continue
        kept = store.kept(making.installation, record).get(name)
        if kept is not None and kept.meaning == wanted:
            return parquet_frame(kept.shown, name)
    return None
