"""The names of the Fides taxonomy's data categories (version 3.2, retired names included).

Only names: https://ethyca.github.io/fideslang/ says what each means.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

_BELOW_SYSTEM = ("authentication", "operations")

# Parent below ``user`` → its children; a child may have children of its own.
_BELOW_USER: dict[str, tuple[str, ...]] = {
    "account": ("settings", "username"),
    "authorization": ("biometric", "biometrics", "credentials", "password"),
    "behavior": ("browsing_history", "media_consumption", "purchase_history", "search_history"),
    "biometric": ("fingerprint", "health", "retinal", "voice"),
    "biometrics": ("fingerprint", "retinal", "voice"),
    "children": ("children_under_thirteen", "thirteen_to_sixteen"),
    "childrens": (),
    "contact": (
        "address",
        "email",
        "fax_number",
        "organization",
        "phone_number",
        "social_url",
        "url",
    ),
    "contact.address": ("city", "country", "mailing_address", "postal_code", "state", "street"),
    "content": ("private", "public", "self_image"),
    "criminal_history": (),
    "demographic": (
        "age_range",
        "citizenship_or_immigration_status",
        "date_of_birth",
        "gender",
        "language",
        "marital_status",
        "philosophical_belief",
        "political_opinion",
        "profile",
        "protected_classifications",
        "race_ethnicity",
        "religious_belief",
        "sexual_orientation",
        "union_membership",
    ),
    "device": ("cookie", "cookie_id", "device_id", "ip_address", "sensor", "telemetry"),
    "financial": ("bank_account", "credit_card"),
    "government_id": (
        "birth_certificate",
        "drivers_license_number",
        "immigration",
        "national_identification_number",
        "passport_number",
        "vehicle_registration",
    ),
    "health": (
        "baby_formula",
        "condition",
        "genetic",
        "insurance_beneficiary_id",
        "maternity_clothing",
        "medical_diagnosis",
        "medications",
        "prescriptions",
        "record_id",
        "reproductive_or_sexual",
        "social_psychological_behavioral",
        "symptons",  # as the taxonomy spells it
        "treatment",
    ),
    "health_and_medical": ("genetic", "insurance_beneficiary_id", "record_id"),
    "job_title": (),
    "location": ("coarse", "imprecise", "precise"),
    "name": ("first", "last"),
    "payment": (),
    "privacy_preferences": (),
    "professional_information": ("job_title", "workplace"),
    "sensor": (),
    "settings": (),
    "social": (),
    "social_activity": (),
    "telemetry": (),
    "unique_id": ("deterministic", "probablistic", "pseudonymous"),
    "user_sensor": (),
    "workplace": (),
}


def _names() -> Iterator[str]:
    yield "system"
    yield from (f"system.{child}" for child in _BELOW_SYSTEM)
    yield "user"
    for parent, children in _BELOW_USER.items():
        yield f"user.{parent}"
        yield from (f"user.{parent}.{child}" for child in children)


DATA_CATEGORIES: frozenset[str] = frozenset(_names())


def falls_under(name: str, category: str) -> bool:
    """Whether ``name`` is ``category`` or lies below it: ``user.contact.email`` in ``user.contact``."""
    return name == category or name.startswith(category + ".")


def is_category(name: str, custom: Collection[str] = ()) -> bool:
    """Whether ``name`` is a taxonomy name, a custom one, or lies below a custom one.

    A name merely below a taxonomy name does not count: it would let misspellings pass.
    """
    return name in DATA_CATEGORIES or any(falls_under(name, item) for item in custom)


def is_rooted(custom: str) -> bool:
    """Whether a custom category lies below a name of the taxonomy."""
    parent = custom.rpartition(".")[0]
    return any(falls_under(parent, name) for name in DATA_CATEGORIES)
