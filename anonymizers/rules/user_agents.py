"""Browsers' user agent texts generalised: family and device class.

The signs are those the browsers themselves document for telling devices apart (Chromium:
"Mobile" is on telephones and not on tablets; Firefox: "Mobile" and "Tablet"; Apple: the
device's name). An iPad that asks for desktop pages calls itself a Macintosh: it counts as one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from anonymizers.hierarchies import EVERYTHING, MISSING
from anonymizers.rules.labelling import DistinctRule

Device = Literal["desktop", "mobile", "tablet", "bot", "other"]
DEVICES: tuple[Device, ...] = ("desktop", "mobile", "tablet", "bot", "other")

# In this order: an agent bears the marks of every family it wants to be taken for.
_BOTS = (
    ("Googlebot", r"googlebot|google-inspectiontool|mediapartners-google|adsbot-google"),
    ("Bingbot", r"bingbot|bingpreview|msnbot"),
    ("Applebot", r"applebot"),
    ("Yandex", r"yandex(?:bot|images|metrika)"),
    ("Baidu", r"baiduspider"),
    ("DuckDuckBot", r"duckduckbot"),
)
_FAMILIES = (
    ("Edge", r"\bedg(?:e|a|ios)?/"),
    ("Opera", r"\bopr/|\bopera\b|opera mini|\bopios/"),
    ("Samsung Internet", r"samsungbrowser/"),
    ("Firefox", r"\bfirefox/|\bfxios/"),
    ("Internet Explorer", r"\bmsie |\btrident/"),
    ("Chrome", r"\bchrom(?:e|ium)/|\bcrios/"),
    ("Safari", r"\bsafari/|\bapplewebkit/"),
)
_BOT_FAMILIES = tuple((name, re.compile(pattern)) for name, pattern in _BOTS)
_BROWSERS = tuple((name, re.compile(pattern)) for name, pattern in _FAMILIES)
_BOT = re.compile(
    "|".join(pattern for _, pattern in _BOTS)
    # A CUBOT is a telephone.
    + r"|(?<!cu)bots?(?:\b|_)|crawl|spider|slurp|archiver|scrap|facebookexternalhit|whatsapp/"
    r"|\bcurl/|\bwget/|python-|\bpython/|aiohttp|\bjava/|okhttp|go-http-client|libwww|\bperl\b"
    r"|httpclient|http_client|\bruby\b|\bphp/|node-fetch|axios/|headless|phantomjs|lighthouse"
    r"|monitor|uptime|pingdom|feed(?:ly|fetcher|burner|parser|reader)|\brss\b|preview|validator"
    # What is not a person's browser gives an address to complain to, or counts its readers.
    r"|\+https?://|\w@\w|\bsubscribers?\b|\b\d+ readers\b"
    r"|nagios|zgrab|masscan|nmap|nikto|sqlmap|nutch|heritrix|magpierss|universalfeedparser"
)
_SCREEN = re.compile(
    r"smart-?tv|googletv|appletv|hbbtv|\bcrkey\b|\btv\b|roku|playstation|xbox|nintendo"
)
_TABLET = re.compile(r"ipad|tablet(?! pc)|kindle|\bsilk/|playbook|android(?!.*mobile)")
_MOBILE = re.compile(
    r"iphone|ipod|android|\bmobile\b|phone|blackberry|\bbb10\b|opera mini|symbian|nokia|kaios|webos"
)
_DESKTOP = re.compile(r"windows|macintosh|mac_powerpc|x11|\blinux\b|\bcros\b|freebsd|openbsd")


@dataclass(frozen=True)
class ByUserAgent(DistinctRule):
    """Agent text, family with device class ("Firefox, mobile"), device class, everything.

    Device classes are desktop, mobile, tablet, bot (programs of every sort) and other. "-",
    which web servers log where no agent was sent, is ``MISSING``.
    """

    names: ClassVar[tuple[str, ...]] = ("agent", "family", "device", EVERYTHING)

    def _path(self, value: object) -> Sequence[str] | None:
        if not isinstance(value, str):
            return None
        agent = value.strip()
        if agent == "-":
            return MISSING, MISSING, MISSING
        family, device = classify(agent)
        return agent, f"{family}, {device}", device

    def _vocabulary(self, level: str) -> frozenset[str] | None:
        if level == "device":
            return frozenset(DEVICES)
        if level == "family":
            bots = {f"{name}, bot" for name, _ in (*_BOTS, ("other", ""))}
            people = {
                f"{name}, {device}"
                for name, _ in (*_FAMILIES, ("other", ""))
                for device in DEVICES
                if device != "bot"
            }
            return frozenset(bots | people)
        return None


def classify(agent: str) -> tuple[str, Device]:
    """The family and the device class of an agent's text."""
    text = agent[:2_000].lower()
    if _BOT.search(text):
        return _first(_BOT_FAMILIES, text), "bot"
    return _first(_BROWSERS, text), _device(text)


def _device(text: str) -> Device:
    if _SCREEN.search(text):
        return "other"
    if "windows phone" not in text and _TABLET.search(text):
        return "tablet"
    if _MOBILE.search(text):
        return "mobile"
    return "desktop" if _DESKTOP.search(text) else "other"


def _first(families: Sequence[tuple[str, re.Pattern[str]]], text: str) -> str:
    return next((name for name, sign in families if sign.search(text)), "other")
