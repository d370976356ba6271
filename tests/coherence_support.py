"""A catalogue that is coherent with the policy, to be made incoherent."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from retention.catalogue.coherence import coherent
from retention.catalogue.model import Catalogue
from retention.errors import ConfigurationError
from retention.policy.table import Policy

POLICY_FILE = Path(__file__).parent.parent / "policies" / "callimedia.yaml"

POLICY = yaml.safe_load(POLICY_FILE.read_text(encoding="utf-8"))

PLACE = "systems.crm.tables."


def column(category: str = "system.operations", **more: Any) -> dict[str, Any]:
    return {"category": category, **more}


CATALOGUE: dict[str, Any] = {
    "catalogue": "test",
    "links": {
        "web": {"near": "crm.customers.email", "far": "web.users.email", "normaliser": "email"}
    },
    "systems": {
        "crm": {
            "label": "CRM",
            "url": "sqlite:///crm.db",
            "time_zone": "Europe/Paris",
            "tables": {
                "customers": {
                    "label": "Customers",
                    "subject": "customer",
                    "key": "id",
                    "purposes": {"contract": "always"},
                    "events": {
                        "contracts": {"table": "contracts", "start": "starts", "end": "ends"},
                        "purchase": {"column": "bought_on"},
                        "login": {"link": "web", "column": "seen"},
                    },
                    "columns": {
                        "id": column("user.unique_id"),
                        "email": column("user.contact.email", identifies=True),
                        "bought_on": column("user.behavior.purchase_history"),
                        "status": column(),
                    },
                },
                "contracts": {
                    "label": "Contracts",
                    "key": "id",
                    "owner": {"table": "customers", "via": "customer_id"},
                    "columns": {
                        "id": column(),
                        "customer_id": column("user.unique_id"),
                        "starts": column(),
                        "ends": column(),
                    },
                },
                "bank_details": {
                    "label": "Bank details",
                    "key": "id",
                    "owner": {"table": "customers", "via": "customer_id"},
                    "purposes": {"payment": "always"},
                    "columns": {
                        "id": column(),
                        "customer_id": column("user.unique_id"),
                        "iban": column("user.financial.bank_account", identifies=True),
                    },
                },
            },
        },
        "web": {
            "label": "Web shop",
            "url": "sqlite:///web.db",
            "time_zone": "UTC",
            "tables": {
                "users": {
                    "label": "Users",
                    "subject": "customer",
                    "key": "id",
                    "purposes": {"customer_relations": "always"},
                    "events": {"login": {"column": "seen"}},
                    "columns": {
                        "id": column("user.unique_id"),
                        "email": column("user.contact.email", identifies=True),
                        "seen": column("user.behavior"),
                    },
                },
                "log": {
                    "label": "Connections",
                    "key": "id",
                    "purposes": {"connection_security": "always"},
                    "references": [{"table": "users", "via": "user_id"}],
                    "events": {"connected": {"column": "at"}},
                    "columns": {
                        "id": column(),
                        "user_id": column("user.unique_id", identifies=True, pseudonymise="clear"),
                        "at": column("user.device"),
                        "ip": column(
                            "user.device.ip_address", identifies=True, pseudonymise="token"
                        ),
                    },
                },
            },
        },
    },
}


class Case:
    """A coherent catalogue and policy, for a test to spoil."""

    def __init__(self) -> None:
        self.catalogue = copy.deepcopy(CATALOGUE)
        self.policy = copy.deepcopy(POLICY)

    def table(self, name: str) -> Any:
        system, _, table = name.partition(".")
        return self.catalogue["systems"][system]["tables"][table]

    def column(self, name: str, column: str) -> Any:
        return self.table(name)["columns"][column]

    def warnings(self) -> list[str]:
        found = coherent(
            Catalogue.model_validate(self.catalogue),
            Policy.model_validate(self.policy),
            Path("catalogue.yaml"),
        )
        assert all(item.severity == "warning" for item in found)
        return [str(item) for item in found]

    def problems(self) -> list[str]:
        with pytest.raises(ConfigurationError) as refusal:
            self.warnings()
        problems = refusal.value.problems
        assert all(problem.startswith("catalogue.yaml: ") for problem in problems)
        assert all("\n" not in problem for problem in problems)
        return [problem.removeprefix("catalogue.yaml: ") for problem in problems]


@pytest.fixture
def case() -> Case:
    return Case()
