"""What pydantic found wrong with a file, told as officers write: the key by its names, what it reads, what to write."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from contracts.pack_problem import Problem, ProblemName

_OWN: Final[dict[str, ProblemName]] = {name: name for name in get_args(ProblemName)}

_FIXES: Final[Mapping[str, str]] = {
    "string_type": 'write it in quotes, "…"',
    "string_too_short": "write something, or leave the key out",
    "string_pattern_mismatch": "write it in the form that contracts/packs/README.md gives",
    "date_type": "write a day without quotes, such as 2020-07-01",
    "date_from_datetime_inexact": "write a day without a time, such as 2020-07-01",
    "int_type": "write a whole number without quotes",
    "bool_type": "write true or false, without quotes",
    "tuple_type": "write a list in brackets, [ … ]",
    "too_short": "write at least one",
    "too_long": "write fewer",
    "missing_argument": "write every part",
    "dict_type": "write a table, { … }",
    "model_type": "write a table, { … }",
    "model_attributes_type": "write a table, { … }",
    "greater_than_equal": "write a number that is not negative",
    "less_than_equal": "write a smaller number",
}


def innermost(fault: ValidationError) -> list[ErrorDetails]:
    """The errors that tell what to mend: a list whose entries are wrong is also too short, which helps nobody."""
    errors = fault.errors(include_url=False)
    inside = {error["loc"][:length] for error in errors for length in range(len(error["loc"]))}
    return [error for error in errors if error["loc"] not in inside]


def problems(
    fault: ValidationError,
    tree: Mapping[str, Any],
    file: str,
    *,
    unknown: ProblemName = "key_is_unknown",
    other: ProblemName = "value_is_wrong",
) -> Iterable[Problem]:
    """Each error under its name; `unknown` is that of a key that does not belong, `other` of what has no name."""
    for error in innermost(fault):
        kind, key = error["type"], key_of(tree, error["loc"])
        reads, words = f"it reads {_shown(error.get('input'))}", _words(error)
        if kind in _OWN:
            yield Problem(file, key, _OWN[kind], reads, error["msg"])
        elif kind == "extra_forbidden":
            yield Problem(file, key, unknown, "no such key belongs here", "remove the key, or correct its spelling")
        elif kind == "missing":
            yield Problem(file, key, "key_is_missing", "the key is not there", "write the key")
        elif words:
            yield Problem(file, key, "word_is_unknown", reads, f"write one of: {words}")
        elif kind == "value_error":
            yield Problem(file, key, other, reads, str(error.get("ctx", {}).get("error", "correct it")))
        else:
            yield Problem(file, key, other, reads, _FIXES.get(kind, "contracts/packs/README.md describes the key"))


def _words(error: ErrorDetails) -> str:
    """The words that a key may have, where those are what is wrong."""
    context = error.get("ctx", {})
    expected = {"literal_error": "expected", "union_tag_invalid": "expected_tags"}.get(error["type"])
    return str(context.get(expected, "")).replace("'", "").replace(" or ", ", ") if expected else ""


def _shown(value: object) -> str:
    if isinstance(value, dict):
        text = ", ".join(f"{key} = {_shown(part)}" for key, part in value.items())
    else:
        text = f'"{value}"' if isinstance(value, str) else str(value)
    return text if len(text) <= 120 else text[:119] + "…"


_NAMES: Final = ("id", "name", "who", "clause", "discharge", "applies")
"""Keys by which officers know a table of a list."""


_TAGS: Final = frozenset(
    ("reported", "computed", "large_bill", "zero_self_pay", "insured_twice", "other_assistance_risen")
)
"""How pydantic tells apart the tables of a union; officers know them by their names."""


def key_of(tree: Any, loc: Sequence[int | str]) -> str:
    """A key as officers write it: `assistance_inpatient.benefits.低保对象.cap`."""
    parts: list[str] = []
    node: Any = tree
    for part in loc:
        if isinstance(part, int) and isinstance(node, Sequence) and part < len(node):
            node = node[part]
            name = next((node[key] for key in _NAMES if key in node), None) if isinstance(node, Mapping) else None
            if parts and parts[-1] in ("layers", "watches", "interpretations", "left_out", "cases", "story"):
                parts.pop()
            parts.append(str(name) if name else str(part))
        elif isinstance(node, Mapping) and part in node:
            node = node[part]
            parts.append(str(part))
        elif part not in _TAGS:
            parts.append(str(part))
    return ".".join(parts)
