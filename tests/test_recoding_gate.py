"""The figures that the recodings must reach on the Adult data, where they are to be had.

ANONYMIZERS_ADULT names a folder with ``adult.csv`` and a file of a hierarchy for each column.
"""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest

from anonymizers.hierarchies import Hierarchy
from anonymizers.recoding import risk
from anonymizers.recoding.full_domain import GlobalRecoding
from anonymizers.recoding.local import LocalRecoding
from anonymizers.recoding.models import EntropyDiversity, KAnonymity, PrivacyModel, TCloseness
from anonymizers.recoding.recode import Recoding
from benchmarks.anonymizers import QUASI_IDENTIFIERS, SENSITIVE, hierarchies

FOLDER = os.environ.get("ANONYMIZERS_ADULT")
pytestmark = pytest.mark.skipif(FOLDER is None, reason="ANONYMIZERS_ADULT names no folder")


@pytest.fixture(scope="module")
def adult() -> tuple[pd.DataFrame, list[Hierarchy]]:
    folder = Path(FOLDER or "")
    frame = pd.read_csv(folder / "adult.csv", sep=";", dtype="str")
    return frame, hierarchies(folder, list(QUASI_IDENTIFIERS))


def assert_release(
    adult: tuple[pd.DataFrame, list[Hierarchy]], recoding: Recoding, k: int
) -> risk.RiskFigures:
    release = recoding.fit_transform(adult[0])
    found = risk.measure(release, QUASI_IDENTIFIERS, [SENSITIVE])
    assert found.k >= k
    assert found.classes == recoding.report_.classes
    return found


@pytest.mark.parametrize(
    ("k", "ncp", "discernibility"), [(5, 0.031, 5.7e5), (10, 0.047, 7.2e5), (50, 0.101, 2.3e6)]
)
def test_local_recoding_loses_little(
    adult: tuple[pd.DataFrame, list[Hierarchy]], k: int, ncp: float, discernibility: float
) -> None:
    recoding = LocalRecoding(adult[1], [KAnonymity(k)])

    assert_release(adult, recoding, k)

    assert recoding.report_.ncp <= ncp
    assert recoding.report_.suppressed == 0
    assert recoding.report_.discernibility <= discernibility


@pytest.mark.parametrize(("k", "ncp"), [(5, 0.190), (10, 0.245), (50, 0.401)])
def test_global_recoding_is_optimal(
    adult: tuple[pd.DataFrame, list[Hierarchy]], k: int, ncp: float
) -> None:
    recoding = GlobalRecoding(adult[1], [KAnonymity(k)])

    assert_release(adult, recoding, k)

    assert recoding.report_.ncp <= ncp
    assert recoding.report_.suppressed <= 0.05 * recoding.report_.rows


@pytest.mark.parametrize(
    ("model", "ncp"),
    [(EntropyDiversity(SENSITIVE, 3), 0.0629), (TCloseness(SENSITIVE, 0.2), 0.456)],
)
def test_what_a_class_says_of_its_people_costs_more(
    adult: tuple[pd.DataFrame, list[Hierarchy]], model: PrivacyModel, ncp: float
) -> None:
    recoding = LocalRecoding(adult[1], [KAnonymity(10), model])

    found = assert_release(adult, recoding, 10).sensitive[SENSITIVE]

    assert recoding.report_.ncp < ncp
    assert recoding.report_.suppressed == 0
    if isinstance(model, EntropyDiversity):
        assert found.entropy >= 3 - 1e-9
    else:
        assert found.closeness["equal"] <= 0.2 + 1e-9
