"""The rights that the runbook's tables give, as a broker and a store want them."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from workers.settings import Settings

RUNBOOK = Path(__file__).parents[2] / "ops" / "runbook.md"

TOPIC, GROUP, TRANSACTIONAL_ID = 2, 3, 5
LITERAL, PREFIXED = 3, 4
OPERATIONS = {"READ": 3, "WRITE": 4, "CREATE": 5, "DESCRIBE": 8, "DESCRIBE_CONFIGS": 10, "ALTER_CONFIGS": 11}
"""The codes of Kafka's protocol."""

_KINDS = {"topic": TOPIC, "group": GROUP, "transactional id": TRANSACTIONAL_ID}


class Right(NamedTuple):
    """One ACL: who may do what with which resource."""

    principal: str
    kind: int
    pattern: int
    name: str
    operation: str


def access() -> str:
    """The runbook's section."""
    found = re.search(r"^## Access\n(.*?)^## ", RUNBOOK.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def rights() -> list[Right]:
    """Every right that the table gives at the broker, those included that one principal has from another."""
    own, like = list(_rights()), dict(_likes())
    given = []
    for principal in dict.fromkeys(right.principal for right in own):
        giver: str | None = principal
        while giver is not None:
            given += [right._replace(principal=principal) for right in own if right.principal == giver]
            giver = like.get(giver)
    return given


def _likes() -> Iterator[tuple[str, str]]:
    for principal, *_ in _rows(4):
        if found := re.fullmatch(r"`(\w+)`, and what `(\w+)` has", principal):
            yield found[1], found[2]


def _rights() -> Iterator[Right]:
    settings = Settings.model_fields
    for principal, resource, names, operations in _rows(4):
        kind, _, pattern = resource.partition(", ")
        for name in re.findall(r"`([^`]+)`", names):
            at = PREFIXED if pattern == "prefix" else LITERAL
            named = settings[name.removeprefix("YIDAN_").lower()].default if name.startswith("YIDAN_") else name
            for operation in re.findall(r"`([^`]+)`", operations):
                yield Right(principal.split("`")[1], _KINDS[kind], at, named, operation)


def store_users() -> dict[str, str]:
    """The rights that the table gives each user of the store."""
    return {user.strip("`"): words.strip("`").replace("\\|", "|") for user, words in _rows(2)}


def _rows(cells: int) -> Iterator[list[str]]:
    for line in access().splitlines():
        row = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(row) == cells and row[0].startswith("`"):
            yield row
