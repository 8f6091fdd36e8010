"""The contract as files for others: one JSON Schema a message and one AsyncAPI document, generated from the models.

They are committed in `contracts/schemas/`, so that a change of a model shows as a change of the contract; `check` tells
where the two differ.
"""

import json
from pathlib import Path

from workers.contracts_book.asyncapi import asyncapi
from workers.contracts_book.messages import MESSAGES
from workers.contracts_book.schema import schema_of

ASYNCAPI_FILE = "asyncapi.json"


def documents() -> dict[str, str]:
    """Every file of the book by its name, the same text each time."""
    book = {message.file: schema_of(message) for message in MESSAGES}
    book[ASYNCAPI_FILE] = asyncapi(MESSAGES)
    return {name: json.dumps(document, ensure_ascii=False, indent=2) + "\n" for name, document in book.items()}


def build(folder: Path) -> list[str]:
    """Write the book into `folder` and remove schemas that no message has; the names of the files that changed."""
    folder.mkdir(parents=True, exist_ok=True)
    book = documents()
    changed = []
    for name, text in book.items():
        if _text(folder / name) != text:
            (folder / name).write_text(text, encoding="utf-8")
            changed.append(name)
    for path in sorted(folder.glob("*.json")):
        if path.name not in book:
            path.unlink()
            changed.append(path.name)
    return changed


def check(folder: Path) -> list[str]:
    """What differs between `folder` and the models, one line each; empty when nothing does."""
    book = documents()
    faults = []
    for name, text in book.items():
        found = _text(folder / name)
        if found is None:
            faults.append(f"{name}: missing, run `yidan contracts build`")
        elif found != text:
            faults.append(f"{name}: differs from the models, run `yidan contracts build` and read the difference")
    faults += [
        f"{path.name}: no message has this schema" for path in sorted(folder.glob("*.json")) if path.name not in book
    ]
    return faults


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
