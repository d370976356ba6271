"""Rules give every value a label, and what is equal on a level stays equal above it."""

from __future__ import annotations

import ipaddress
from datetime import UTC, date, datetime, timedelta, timezone
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anonymizers.hierarchies import EVERYTHING, MISSING, Hierarchy, HierarchyError
from anonymizers.rules.declared import (
    UNKNOWN,
    ByAddress,
    ByBands,
    ByDate,
    ByPostcode,
    ByTable,
    ByUserAgent,
    ByValue,
    Rule,
)
from anonymizers.rules.french_postcodes import REGIONS, place
from anonymizers.rules.user_agents import DEVICES, classify
from tests.rules_support import column, labels

AGENTS = {
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/130.0.0.0 Safari/537.36": ("Chrome", "desktop"),
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/130.0.0.0 Safari/537.36 Edg/130.0.0.0": ("Edge", "desktop"),
    "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0": (
        "Firefox",
        "desktop",
    ),
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.0 Safari/605.1.15": ("Safari", "desktop"),
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
    "Gecko) Version/18.1 Mobile/15E148 Safari/604.1": ("Safari", "mobile"),
    "Mozilla/5.0 (iPad; CPU OS 12_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "CriOS/110.0 Mobile/15E148 Safari/604.1": ("Chrome", "tablet"),
    "Mozilla/5.0 (Linux; Android 14; SM-S921B) AppleWebKit/537.36 (KHTML, like Gecko) "
    "SamsungBrowser/26.0 Chrome/122.0 Mobile Safari/537.36": ("Samsung Internet", "mobile"),
    "Mozilla/5.0 (Linux; Android 13; SM-X200) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/130.0 Safari/537.36": ("Chrome", "tablet"),
    "Mozilla/5.0 (Linux; Android 12; CUBOT_NOTE) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/130.0 Mobile Safari/537.36": ("Chrome", "mobile"),
    "Mozilla/5.0 (Android 14; Mobile; rv:132.0) Gecko/132.0 Firefox/132.0": ("Firefox", "mobile"),
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)": (
        "Googlebot",
        "bot",
    ),
    "Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/130.0 Mobile Safari/537.36 (compatible; bingbot/2.0)": ("Bingbot", "bot"),
    "curl/8.5.0": ("other", "bot"),
    "python-requests/2.32": ("other", "bot"),
    "Mozilla/5.0 (PlayStation 5) AppleWebKit/605.1.15 Safari/605.1.15": ("Safari", "other"),
    "something else": ("other", "other"),
}


VALUES: dict[str, st.SearchStrategy[object]] = {
    "date": st.dates() | st.datetimes() | st.datetimes(timezones=st.just(UTC))
    | st.sampled_from(["2027-02-28", "2027-02-30", "0000-00-00", "2027-02-28T23:59:59+02:00", "x"]),
    "postcode": st.integers(0, 99_999) | st.from_regex(r"[0-9]{4,5}", fullmatch=True)
    | st.sampled_from(["75 011", "F-20190", "98000 CEDEX", "SW1A 1AA", "00200"]),
    "number": st.integers() | st.floats(allow_nan=False) | st.decimals(allow_nan=False)
    | st.sampled_from(["18", " 64.999 ", "1e3", "1e999999", "douze"]),
    "agent": st.sampled_from(list(AGENTS)) | st.text(max_size=20),
    "address": st.ip_addresses() | st.ip_addresses().map(str)
    | st.sampled_from(["1.2.3.4:80", "fe80::1%eth0", "::ffff:192.0.2.7", "2002:c000:207::1", "x"]),
}  # fmt: skip


RULES: list[tuple[Rule, str]] = [
    (ByDate(), "date"),
    (ByDate("Europe/Paris"), "date"),
    (ByPostcode(), "postcode"),
    (ByBands((18, 25, 65), whole=True), "number"),
    (ByBands(("0.1", "0.3")), "number"),
    (ByBands(width=(5, 10), low=0, high=100), "number"),
    (ByBands(width="0.1", origin=-1), "number"),
    (ByUserAgent(), "agent"),
    (ByAddress(), "address"),
    (ByValue(), "agent"),
    (ByValue(frozenset({"curl/8.5.0"})), "agent"),
]


def listed(rule_and_kind: tuple[Rule, str]) -> st.SearchStrategy[tuple[Rule, list[object]]]:
    rule, kind = rule_and_kind
    values = st.lists(st.none() | st.just("  ") | VALUES[kind], max_size=12)
    return st.tuples(st.just(rule), values)


@given(st.sampled_from(RULES).flatmap(listed))
def test_every_value_has_a_label_and_equal_stays_equal(case: tuple[Rule, list[object]]) -> None:
    rule, values = case
    series = column(*values)
    levels = [rule.label(series, level) for level in rule.levels]

    for level in levels:
        assert level.dtype == "str" and level.notna().all()
        assert level.index.equals(series.index) and level.name == "c"
    for below, above in pairwise(levels):
        assert above.groupby(below).nunique().le(1).all()
    assert (levels[-1] == EVERYTHING).all()
    missing = series.isna() | (series.astype("str").str.strip() == "")
    for level in levels[:-1]:
        assert (level[missing] == MISSING).all()
    for at, level in enumerate(levels):
        closed = rule.closed_vocabulary(at)
        assert closed is None or set(level) <= closed


@given(st.sampled_from(RULES).flatmap(listed))
def test_a_fitted_rule_labels_as_the_rule_does(case: tuple[Rule, list[object]]) -> None:
    rule, values = case
    series = column(*values)

    hierarchy = rule.fit("c", series)

    assert hierarchy.levels == rule.levels
    codes = hierarchy.encode(series)
    for at in range(len(rule.levels)):
        by_hierarchy = [hierarchy.labels[at][hierarchy.codes[at][code]] for code in codes]
        assert by_hierarchy == rule.label(series, at).tolist()
    # The order of the rows leaves no trace.
    again = rule.fit("c", series[::-1])
    assert again.labels == hierarchy.labels


def test_a_fitted_rule_refuses_a_value_it_has_not_met() -> None:
    hierarchy = ByPostcode().fit("cp", column("75011", "69003"))

    with pytest.raises(HierarchyError, match="cp: 1 of 2 rows have a value that is not in"):
        hierarchy.encode(column("13008", "75 011"))
    assert hierarchy.encode(column("13008", "75 011"), "suppress").tolist() == [-1, 1]
    assert "75011" not in repr(hierarchy)


@pytest.mark.parametrize("rule", [rule for rule, _ in RULES], ids=lambda rule: type(rule).__name__)
def test_a_level_that_is_not_there_is_an_error(rule: Rule) -> None:
    for ask in (rule.closed_vocabulary, lambda level: rule.label(column("x"), level)):
        with pytest.raises(HierarchyError, match=r"there is no level 'week': the levels are .*\*"):
            ask("week")
        with pytest.raises(HierarchyError, match="there is no level 9"):
            ask(9)


def test_days_months_quarters_and_years() -> None:
    values = ("2028-02-29", "2027-03-31 23:59:59", date(2027, 4, 1), datetime(2027, 12, 31, 23))  # noqa: DTZ001
    assert labels(ByDate(), "day", *values) == [
        "2028-02-29",
        "2027-03-31",
        "2027-04-01",
        "2027-12-31",
    ]
    assert labels(ByDate(), "month", *values) == ["2028-02", "2027-03", "2027-04", "2027-12"]
    assert labels(ByDate(), "quarter", *values) == ["2028-Q1", "2027-Q1", "2027-Q2", "2027-Q4"]
    assert labels(ByDate(), "year", *values) == ["2028", "2027", "2027", "2027"]


def test_dates_that_do_not_exist_are_unknown() -> None:
    values = ("0000-00-00", "2027-02-29", "28/02/2027", "20270228", "2027-W01-1", "hier", 7, b"x")
    assert set(labels(ByDate(), "month", *values)) == {UNKNOWN}


def test_an_instant_falls_on_the_civil_day_of_the_zone() -> None:
    new_year = datetime(2026, 12, 31, 23, 30, tzinfo=UTC)
    texts = ("2026-12-31T23:30:00+00:00", "2026-12-31T23:30:00")
    aware = pd.Series([new_year]).astype("datetime64[us, UTC]")

    assert labels(ByDate("Europe/Paris"), "year", new_year, *texts) == ["2027", "2027", "2026"]
    assert ByDate("Europe/Paris").label(aware, "year").tolist() == ["2027"]
    assert ByDate().label(aware, "year").tolist() == ["2026"]
    with pytest.raises(HierarchyError, match="no time zone 'Paris'"):
        ByDate("Paris")


SECOND_DAY = datetime.fromisoformat("0001-01-02")


@given(
    st.lists(st.none() | st.datetimes(SECOND_DAY, SECOND_DAY.replace(9999, 12, 30)), max_size=20),
    st.sampled_from(["s", "ms", "us"]),
    st.sampled_from([None, "UTC", "Europe/Paris"]),
    st.sampled_from([None, "Europe/Paris", "Asia/Kathmandu"]),
)
def test_columns_of_times_are_labelled_as_their_values_are(
    times: list[datetime | None], unit: str, own: str | None, zone: str | None
) -> None:
    series = pd.Series(times, dtype=f"datetime64[{unit}]")
    if own:
        series = series.dt.tz_localize("UTC").dt.tz_convert(own)
    for level in ByDate().levels:
        fast = ByDate(zone).label(series, level)
        slow = ByDate(zone).label(series.astype("object"), level)
        assert fast.tolist() == slow.tolist()


def test_years_beyond_the_calendar_are_unknown() -> None:
    far = pd.Series(np.array(["12000-01-01", "2027-01-01", "NaT"], dtype="datetime64[s]"))
    for level in ("day", "month", "quarter", "year"):
        assert ByDate().label(far, level)[0] == UNKNOWN
        assert ByDate().label(far, level)[2] == MISSING


def test_numbers_are_no_dates() -> None:
    with pytest.raises(HierarchyError, match="c: a column of int64 holds no dates"):
        ByDate().label(pd.Series([20270228], name="c"), "day")


@pytest.mark.parametrize(
    ("postcode", "department", "region", "country"),
    [
        ("75011", "75", "Île-de-France", "France"),
        ("01000", "01", "Auvergne-Rhône-Alpes", "France"),
        ("20000", "2A", "Corse", "France"),
        ("20190", "2A", "Corse", "France"),
        ("20200", "2B", "Corse", "France"),
        ("20620", "2B", "Corse", "France"),
        ("97110", "971", "Guadeloupe", "France"),
        ("97200", "972", "Martinique", "France"),
        ("97300", "973", "Guyane", "France"),
        ("97400", "974", "La Réunion", "France"),
        ("97500", "975", "Collectivités d'outre-mer", "France"),
        ("97600", "976", "Mayotte", "France"),
        ("97133", "977", "Collectivités d'outre-mer", "France"),
        ("97150", "978", "Collectivités d'outre-mer", "France"),
        ("98600", "986", "Collectivités d'outre-mer", "France"),
        ("98714", "987", "Collectivités d'outre-mer", "France"),
        ("98800", "988", "Collectivités d'outre-mer", "France"),
        ("98000", "Monaco", "Monaco", "Monaco"),
        ("00200", "Armées", "Armées", "France"),
        ("69423 CEDEX 03", "69", "Auvergne-Rhône-Alpes", "France"),
        (" 59 000 ", "59", "Hauts-de-France", "France"),
        ("f-67000", "67", "Grand Est", "France"),
        (6000, "06", "Provence-Alpes-Côte d'Azur", "France"),
        (31000.0, "31", "Occitanie", "France"),
    ],
)
def test_where_a_postcode_lies(
    postcode: object, department: str, region: str, country: str
) -> None:
    rule = ByPostcode()
    assert labels(rule, "department", postcode) == [department]
    assert labels(rule, "département", postcode) == [department]
    assert labels(rule, "region", postcode) == [region]
    assert labels(rule, "région", postcode) == [region]
    assert labels(rule, "country", postcode) == [country]


@pytest.mark.parametrize(
    "text",
    ["20700", "96000", "99100", "97000", "97900", "98900", "00000", "1000", "2A004", "SW1A 1AA",
     "750111", "75011 Paris", "-75011", "75.011", "٧٥٠١١", 7.5, -75011],
)  # fmt: skip
def test_what_is_no_french_postcode_is_unknown(text: object) -> None:
    for level in ("postcode", "department", "region", "country"):
        assert labels(ByPostcode(), level, text) == [UNKNOWN]


def test_there_are_eighteen_regions_and_each_department_is_in_one() -> None:
    departments = [department for group in REGIONS.values() for department in group]
    metropolitan = {f"{number:02d}" for number in range(1, 96)} - {"20"} | {"2A", "2B"}

    assert len(REGIONS) == 18 + 1  # the collectivities are none
    assert len(departments) == len(set(departments))
    assert set(departments) == metropolitan | {
        *("971", "972", "973", "974", "976"),
        *("975", "977", "978", "984", "986", "987", "988"),
    }
    found = {there.department for number in range(100_000) if (there := place(f"{number:05d}"))}
    assert found == set(departments) | {"Monaco", "Armées"}


@pytest.mark.parametrize(("agent", "expected"), AGENTS.items())
def test_what_an_agent_is(agent: str, expected: tuple[str, str]) -> None:
    assert classify(agent) == expected
    assert labels(ByUserAgent(), "device", agent, "-", "", None, 7) == [
        *(expected[1], MISSING, MISSING, MISSING, UNKNOWN)
    ]
    assert expected[1] in DEVICES


def test_a_long_agent_takes_no_time() -> None:
    assert classify("android " * 200_000)[1] == "tablet"


@pytest.mark.parametrize(
    ("address", "network", "version"),
    [
        ("192.0.2.77", "192.0.2.0/24", "IPv4"),
        (" 192.0.2.77 ", "192.0.2.0/24", "IPv4"),
        ("::ffff:192.0.2.77", "192.0.2.0/24", "IPv4"),
        ("2002:c000:24d::1", "192.0.2.0/24", "IPv4"),
        ("2001:db8:1:2::3", "2001:db8:1::/48", "IPv6"),
        ("2001:0DB8:0001:0002::3", "2001:db8:1::/48", "IPv6"),
        ("fe80::1%eth0", "fe80::/48", "IPv6"),
        (ipaddress.ip_interface("192.0.2.77/16"), "192.0.2.0/24", "IPv4"),
        (ipaddress.ip_address("2001:db8:1:2::3"), "2001:db8:1::/48", "IPv6"),
    ],
)
def test_the_network_of_an_address(address: object, network: str, version: str) -> None:
    assert labels(ByAddress(), "network", address) == [network]
    assert labels(ByAddress(), "version", address) == [version]


def test_what_is_no_address_is_unknown() -> None:
    values = ("1.2.3.4:80", "1.2.3.4, 5.6.7.8", "1.2.3", "192.168.001.1", "localhost", 3232235777)
    assert set(labels(ByAddress(), "network", *values)) == {UNKNOWN}


def test_networks_may_be_wider_and_never_narrower() -> None:
    assert labels(ByAddress(16, 32), "network", "192.0.2.7", "2001:db8:1::1") == [
        *("192.0.0.0/16", "2001:db8::/32")
    ]
    for narrow in ({"ipv4": 25}, {"ipv6": 56}, {"ipv4": 0}):
        with pytest.raises(HierarchyError, match="a household's"):
            ByAddress(**narrow)


ROWS = [("apple", "pome"), ("pear", "pome"), ("plum", "drupe")]


def test_a_table_labels_by_its_hierarchy() -> None:
    hierarchy = Hierarchy.from_rows("fruit", ROWS, ["value", "kind"])

    assert labels(ByTable(hierarchy), "kind", "pear", "plum", None) == ["pome", "drupe", MISSING]
    assert labels(ByTable(hierarchy), "*", "pear", None) == ["*", "*"]
    assert ByTable(hierarchy).closed_vocabulary("kind") == {"pome", "drupe", MISSING}
    assert ByTable(hierarchy).fit("f", column("pear")).column == "f"


def test_a_value_outside_a_table_is_refused_or_unknown() -> None:
    hierarchy = Hierarchy.from_rows("fruit", ROWS, ["value", "kind"])
    lenient = ByTable(hierarchy, unknown="label")

    for use in (ByTable(hierarchy).fit, lambda _, values: ByTable(hierarchy).label(values, 1)):
        with pytest.raises(HierarchyError, match="1 of 2 rows") as refused:
            use("fruit", column("apple", "quince"))
        assert "quince" not in str(refused.value)
    assert labels(lenient, "kind", "apple", "quince") == ["pome", UNKNOWN]
    assert labels(lenient, "value", "quince") == [UNKNOWN]
    assert labels(lenient, "*", "quince") == ["*"]
    assert lenient.closed_vocabulary("kind") == {"pome", "drupe", MISSING, UNKNOWN}


def test_rules_leave_the_column_as_it_is() -> None:
    values = column("75011", None, "x")
    before = values.copy(deep=True)
    for rule, _ in RULES:
        for level in rule.levels:
            rule.label(values, level)
    pd.testing.assert_series_equal(values, before)


@pytest.mark.parametrize("offset", [timedelta(hours=14), timedelta(hours=-12)])
def test_the_first_and_the_last_day_of_the_calendar_do_not_fail(offset: timedelta) -> None:
    zone = timezone(offset)
    edges = (datetime.min.replace(tzinfo=zone), datetime.max.replace(tzinfo=zone))
    for label in labels(ByDate("Europe/Paris"), "year", *edges):
        assert label in {UNKNOWN, "0001", "9999"}
