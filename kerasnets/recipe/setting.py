"""One field of the recipe, declared once.

A field's `Setting` holds its range or choices, unit, help, option, folder tag and the
paper's value. Checks, command-line options, names of run folders, the screen before
training, the reader of recipe.json and docs/recipe.md derive from it.

Dataclass fields carry the settings. msgspec does not fit: its structs are not validated
when constructed or replaced in Python, its decoder accepts duplicate JSON keys, and
`kerasnets --help` would have to import it. pydantic's dataclasses would replace only
`Setting.check`, and their errors would have to be translated into these messages; see
also `kerasnets.storage.schema`.
"""

import dataclasses
import math
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePath
from types import NoneType
from typing import Any, get_args

from kerasnets.catalog.datasets import DatasetSpec
from kerasnets.catalog.networks import NETWORKS, NetworkSpec
from kerasnets.catalog.titles import FAMILIES
from kerasnets.errors import RecipeError, unknown

PROTOCOLS = ("mnist", "cifar10", "own")
NETWORK, DATA, TRAINING = GROUPS = ("network", "data", "training")

_LONGEST_WORD = 60  # characters, in names of run folders
_LARGEST = 2**63  # NumPy and the backends have no larger integers
KINDS = {
    int: "a whole number",
    float: "a number",
    str: "text",
    bool: "true or false",
    NoneType: "null",
}


@dataclass(frozen=True)
class Range:
    """The numbers that a field may hold.

    Attributes:
        says: description, as in "dropout must be in [0, 1), not 1".
        holds: whether a number is in the range; false for NaN.
    """

    says: str
    holds: Callable[[float], bool]


def at_least(least: int) -> Range:
    return Range(f"at least {least}", lambda value: least <= value < math.inf)


SHARE = Range("in [0, 1)", lambda value: 0 <= value < 1)
FRACTION = Range("a fraction between 0 and 1", lambda value: 0 < value < 1)
PROBABILITY = Range("from 0 to 1", lambda value: 0 <= value <= 1)
POSITIVE = Range("a number > 0", lambda value: 0 < value < math.inf)


@dataclass(frozen=True)
class Case:
    """What a field's default may depend on.

    Attributes:
        protocol: one of `PROTOCOLS`.
        dataset: None if it is not in the catalog.
    """

    network: NetworkSpec
    protocol: str
    dataset: DatasetSpec | None = None


@dataclass(frozen=True)
class Shortcut:
    """A flag that sets a field to one value.

    Attributes:
        name: the flag's, as a Python identifier.
    """

    name: str
    value: str
    help: str

    @property
    def flag(self) -> str:
        return _flag(self.name)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """The declaration of a field.

    Attributes:
        help: description, a phrase without a full stop; the range is appended.
        details: further sentences.
        group: what the field concerns, one of `GROUPS`.
        paper: the default, usually the paper's; None for a required field.
        choices: allowed texts; empty for any text.
        form: metavar of a free text on the command line.
        within: allowed numbers.
        unit: of the numbers.
        null: meaning of None, in words.
        off: the value that has no effect, which descriptions omit; None for none.
        families: network families that have the field; empty for all.
        title: name in prose; the field's name unless given.
        option: option without dashes; the field's name unless given.
        shortcuts: additional flags.
        tag: prefix of the value in names of run folders; the field's name unless given.
        absent: value for a recipe.json without the field; `dataclasses.MISSING` if the
            field is required there.
        name: the field's name.
        kinds: types of the values, from the field's annotation.
    """

    help: str
    details: str = ""
    group: str = TRAINING
    paper: Callable[[Case], Any] | None = None
    choices: Collection[str] = ()
    form: str = ""
    within: Range | None = None
    unit: str = ""
    null: str = ""
    off: Any = None
    families: tuple[str, ...] = ()
    title: str = ""
    option: str = ""
    shortcuts: tuple[Shortcut, ...] = ()
    tag: str | None = None
    absent: Any = dataclasses.MISSING
    name: str = ""
    kinds: tuple[type, ...] = ()

    def check(self, value: object) -> None:
        """Check a value on its own; an int is accepted as a float.

        Raises:
            RecipeError: the value has another type, or is out of range or not a choice.
        """
        # In Python, bool is a subclass of int.
        kinds = (int, *self.kinds) if float in self.kinds else self.kinds
        flag = isinstance(value, bool) and bool not in kinds
        if flag or not isinstance(value, kinds):
            wanted = " or ".join(KINDS[kind] for kind in self.kinds)
            if self.choices and self.kinds == (str,):
                wanted += f" ({', '.join(self.choices)})"
            raise RecipeError(f"{self.name} must be {wanted}, not {value!r}.")
        if isinstance(value, int) and abs(value) >= _LARGEST:
            raise RecipeError(f"{self.name} must be smaller than 2^63.")
        if isinstance(value, str):
            if self.choices and value not in self.choices:
                raise RecipeError(unknown(self.name, value, self.choices))
        elif (
            self.within
            and isinstance(value, int | float)
            and not self.within.holds(value)
        ):
            raise RecipeError(f"{self.name} must be {self.limits}, not {value}.")

    def applies_to(self, network: NetworkSpec) -> bool:
        return not self.families or network.family in self.families

    @property
    def flag(self) -> str:
        """The option, such as "--lr"."""
        return _flag(self.option)

    @property
    def flags(self) -> str:
        """The option with its negation, if it has one, such as "--bn/--no-bn"."""
        return f"{self.flag}/--no-{self.option}" if bool in self.kinds else self.flag

    def arguments(self, value: Any) -> list[str]:
        """Command-line arguments that set a value; empty for None."""
        if value is None:
            return []
        if isinstance(value, bool):
            return [self.flag if value else f"--no-{self.option}"]
        if bool in self.kinds:
            return [one.flag for one in self.shortcuts if one.value == value]
        return [self.flag, str(value)]

    def folder_word(self, value: Any) -> str:
        """The word for a value in the name of a run folder."""
        if isinstance(value, bool):
            return str(self.tag) if value else f"no-{self.tag}"
        if isinstance(value, float):
            return f"{self.tag}{value:g}"
        if self.form:  # any text
            value = re.sub(r"[^\w.-]+", "-", PurePath(value).name)[:_LONGEST_WORD]
        return f"{self.tag}{value}"

    @property
    def limits(self) -> str:
        """The range and the texts allowed besides numbers, in words; or ""."""
        numbers = [self.within.says, *map(repr, self.choices)] if self.within else []
        return ", or ".join(numbers)

    @cached_property
    def sentences(self) -> str:
        """The help, with the range and the networks that have the field."""
        limits = f", {self.limits}" if self.limits else ""
        families = " and ".join(FAMILIES[family] for family in self.families)
        only = families and f"{families} only."
        return " ".join(filter(None, (f"{self.help}{limits}.", self.details, only)))

    @cached_property
    def default(self) -> str:
        """The default in words; "" for a required field."""
        if self.paper is None:
            return ""
        texts: dict[str, list[str]] = {}
        for family in self.families or FAMILIES:
            specs = [spec for spec in NETWORKS.values() if spec.family == family]
            grey, color, own = (
                " or ".join(
                    dict.fromkeys(
                        self.words(self.paper(Case(spec, protocol))) for spec in specs
                    )
                )
                for protocol in PROTOCOLS
            )
            if grey != color == own:
                text = f"{grey} (grey), {color} (color, own images)"
            elif grey != color:
                text = f"{grey} (grey), {color} (color), {own} (own images)"
            else:
                text = color if own == color else f"{color}; own images {own}"
            texts.setdefault(text, []).append(FAMILIES[family])
        if len(texts) == 1:
            return next(iter(texts))
        return "; ".join(
            f"{' and '.join(families)} {text}" for text, families in texts.items()
        )

    def words(self, value: Any) -> str:
        """A value as readable text: "off", "0.001", "sgd"."""
        if value is None:
            return self.null
        if isinstance(value, bool):
            return "on" if value else "off"
        return f"{value:g}" if isinstance(value, float) else str(value)


def setting(
    help: str,
    *,
    paper: Any = dataclasses.MISSING,
    default: Any = dataclasses.MISSING,
    **said: Any,
) -> Any:
    """A dataclass field with its `Setting`.

    Args:
        paper: as in `Setting`, or the value itself; a field without it is required.
        default: the constructor's default, for a field that the oldest recipes lack.
        said: the other attributes of `Setting`.
    """
    if paper is not dataclasses.MISSING:
        said["paper"] = paper if callable(paper) else lambda case: paper
    one = Setting(help=help, **{"absent": default, **said})
    return dataclasses.field(default=default, metadata={Setting: one})


def by_protocol(**values: Any) -> Callable[[Case], Any]:
    """A default for each of `PROTOCOLS`; own images follow CIFAR-10 unless given."""
    return lambda case: {"own": values["cifar10"], **values}[case.protocol]


def of_own(own: Any, paper: Any) -> Callable[[Case], Any]:
    """A default for a user's own images, and the paper's for all others."""
    return lambda case: own if case.protocol == "own" else paper


def settings_of(recipe: type) -> dict[str, Setting]:
    """The settings of a dataclass by field name, with their derived attributes."""
    found = {}
    for field in dataclasses.fields(recipe):
        one = field.metadata[Setting]
        found[field.name] = dataclasses.replace(
            one,
            name=field.name,
            kinds=get_args(field.type) or (field.type,),
            title=one.title or field.name.replace("_", " "),
            option=one.option or field.name.replace("_", "-"),
            tag=field.name if one.tag is None else one.tag,
        )
    return found


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
