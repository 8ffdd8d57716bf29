"""Strict parsing and typed fields of the JSON files in a run folder.

A run folder may be foreign, so everything read from it is validated. Unknown fields are
refused.
"""

# Neither msgspec nor pydantic. Both accept a field that occurs twice and control
# characters in text, and their messages are not ours, so most of this would remain.
# With pydantic 2.14 this file was two lines longer, and `kerasnets --help` took 0.34
# instead of 0.17 s of a core.
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

_MOST_CLASSES = 30_000  # ImageNet-21k has 21,841


@dataclass(frozen=True)
class Field:
    """One field of a JSON object.

    Attributes:
        wanted: description of the values, for the message "field must be ...".
        check: whether a value is valid.
        required: whether the field is required.
    """

    wanted: str
    check: Callable[[Any], bool]
    required: bool = False


def parse(text: str) -> dict[str, Any]:
    """Parse a JSON object strictly: no NaN, no infinity, no duplicate fields.

    Raises:
        ValueError: the text is invalid; the message says why.
    """
    try:
        value = json.loads(
            text, object_pairs_hook=_once_each, parse_constant=_refuse_constant
        )
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError("it is not a JSON object")
    return value


def check(value: Mapping[str, Any], fields: Mapping[str, Field]) -> None:
    """Check an object's fields.

    Raises:
        ValueError: a field is missing, unknown or invalid; the message names the first.
    """
    unknown = [name for name in value if name not in fields]
    if unknown:
        raise ValueError(f"it has an unknown field {unknown[0]!r}")
    for name, field in fields.items():
        if name not in value:
            if field.required:
                raise ValueError(f"it lacks the field {name!r}")
        elif not field.check(value[name]):
            raise ValueError(f"{name} must be {field.wanted}")


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("it has a field twice")
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def _is_share(value: Any) -> bool:
    return _is_number(value) and 0 <= value <= 1


def _is_line(value: Any) -> bool:
    return isinstance(value, str) and value.isprintable()


def _is_text(value: Any) -> bool:
    # JSON can contain lone surrogates, which cannot be encoded.
    return isinstance(value, str) and not re.search("[\ud800-\udfff]", value)


def _is_names(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) <= _MOST_CLASSES
        and all(map(_is_text, value))
    )


def _is_lines(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_line, value.values()))


def _is_versions(value: Any) -> bool:
    # None for a package that is imported from a folder without being installed.
    return isinstance(value, dict) and all(
        version is None or _is_line(version) for version in value.values()
    )


def _is_object(value: Any, fields: Mapping[str, Field]) -> bool:
    if not isinstance(value, dict):
        return False
    try:
        check(value, fields)
    except ValueError:
        return False
    return True


LINE = Field("a line of text", _is_line)
TEXT = Field("text", _is_text)  # any text, such as class names: escape when printing
PLACE = Field("a name", lambda value: isinstance(value, str))  # may have any bytes
COUNT = Field("a whole number, 0 or more", _is_count)
SHARE = Field("a number from 0 to 1", _is_share)
NUMBER = Field("a number", _is_number)
FLAG = Field("true or false", lambda value: isinstance(value, bool))
NAMES = Field("a list of names", _is_names)
LINES = Field("an object of lines of text", _is_lines)
VERSIONS = Field("an object of versions", _is_versions)


def one_of(*names: str) -> Field:
    return Field(
        " or ".join(map(repr, names)),
        lambda value: isinstance(value, str) and value in names,
    )


def or_null(field: Field) -> Field:
    return Field(
        f"{field.wanted}, or null", lambda value: value is None or field.check(value)
    )


def required(field: Field) -> Field:
    return Field(field.wanted, field.check, required=True)


def record(**fields: Field) -> Field:
    """An object in which all of these fields are required."""
    needed = {name: required(field) for name, field in fields.items()}
    return Field(
        f"an object with {' and '.join(fields)}",
        lambda value: _is_object(value, needed),
    )


def list_of(what: str, **fields: Field) -> Field:
    """A list of objects in which each of these fields is optional."""
    return Field(
        f"a list of {what}",
        lambda value: (
            isinstance(value, list) and all(_is_object(one, fields) for one in value)
        ),
    )
