"""One field of the recipe, declared once.

A field's `Setting` says its range or choices, unit, help, option, folder tag and the
paper's value. Checks, options of the command line, names of run folders, the screen
before training, the reading of recipe.json and docs/recipe.md are derived from it.

Dataclass fields carry the settings. msgspec does not fit: its structs check nothing
when Python makes or changes them, its decoder takes a JSON field twice, and the options
of `kerasnets --help` would import it.
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

_LONGEST_WORD = 60  # letters, in names of run folders
_LARGEST = 2**63  # beyond, a whole number is none to NumPy and the backends
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
        says: which, as in "dropout must be in [0, 1), not 1".
        holds: whether a number is one of them; false for NaN.
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
    """What the paper's value of a field may depend on.

    Attributes:
        protocol: one of `PROTOCOLS`.
        dataset: None for one that is not known by its name.
    """

    network: NetworkSpec
    protocol: str
    dataset: DatasetSpec | None = None


@dataclass(frozen=True)
class Shortcut:
    """A flag that stands for one value of a field.

    Attributes:
        name: of the flag, as a Python name.
    """

    name: str
    value: str
    help: str

    @property
    def flag(self) -> str:
        return _flag(self.name)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What is declared of a field.

    Attributes:
        help: what it is, a phrase without a full stop; its range follows.
        details: the sentences after that.
        group: what it decides, one of `GROUPS`.
        paper: its value in the paper; None for a field that is always named.
        choices: the texts that it may be; none for any text.
        form: how a text that is not one of `choices` is written, for the command line.
        within: the numbers that it may be.
        unit: of its numbers.
        null: what None means.
        off: the value at which it goes unsaid, as nothing happens; None for none.
        families: the only ones of networks that have it; none stands for all.
        title: its name in prose, the field's own unless given.
        option: its option without dashes, the field's own name unless given.
        shortcuts: more options.
        tag: what precedes its value in names of run folders, the field's own name
            unless given.
        absent: what it means that a recipe.json lacks it; `dataclasses.MISSING` where
            every recipe has it.
        name: the field's.
        kinds: the types of its values, from the field's annotation.
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
        """Check a value by itself; a whole number is a number too.

        Raises:
            RecipeError: it is of another type, or out of its range or choices.
        """
        # bool is an int to Python, never to a reader of a recipe.
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
        """Its option: "--lr"."""
        return _flag(self.option)

    @property
    def flags(self) -> str:
        """The same with its other form, where it has one: "--bn/--no-bn"."""
        return f"{self.flag}/--no-{self.option}" if bool in self.kinds else self.flag

    def arguments(self, value: Any) -> list[str]:
        """What sets a value on the command line; nothing for None."""
        if value is None:
            return []
        if isinstance(value, bool):
            return [self.flag if value else f"--no-{self.option}"]
        if bool in self.kinds:
            return [one.flag for one in self.shortcuts if one.value == value]
        return [self.flag, str(value)]

    def folder_word(self, value: Any) -> str:
        """What a value adds to the name of a run folder."""
        if isinstance(value, bool):
            return str(self.tag) if value else f"no-{self.tag}"
        if isinstance(value, float):
            return f"{self.tag}{value:g}"
        if self.form:  # any text
            value = re.sub(r"[^\w.-]+", "-", PurePath(value).name)[:_LONGEST_WORD]
        return f"{self.tag}{value}"

    @property
    def limits(self) -> str:
        """Its range, and the texts that it may be beside numbers; or ""."""
        numbers = [self.within.says, *map(repr, self.choices)] if self.within else []
        return ", or ".join(numbers)

    @cached_property
    def sentences(self) -> str:
        """Its help, with its range and the networks that it is for."""
        limits = f", {self.limits}" if self.limits else ""
        families = " and ".join(FAMILIES[family] for family in self.families)
        only = families and f"{families} only."
        return " ".join(filter(None, (f"{self.help}{limits}.", self.details, only)))

    @cached_property
    def default(self) -> str:
        """The paper's value in words; "" for a field that is always named."""
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
            text = grey if grey == color else f"grey {grey}, RGB {color}"
            if own != color:
                text += f"; own images {own}"
            texts.setdefault(text, []).append(FAMILIES[family])
        if len(texts) == 1:
            return next(iter(texts))
        return "; ".join(
            f"{' and '.join(families)} {text}" for text, families in texts.items()
        )

    def words(self, value: Any) -> str:
        """A value as people write it: "off", "0.001", "sgd"."""
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
        paper: as in `Setting`, or the value itself; a field without is always named.
        default: the constructor's, for a field that the oldest recipes lack.
        said: the other attributes of `Setting`.
    """
    if paper is not dataclasses.MISSING:
        said["paper"] = paper if callable(paper) else lambda case: paper
    one = Setting(help=help, **{"absent": default, **said})
    return dataclasses.field(default=default, metadata={Setting: one})


def by_protocol(**values: Any) -> Callable[[Case], Any]:
    """A value for each of `PROTOCOLS`; own images have CIFAR-10's unless named."""
    return lambda case: {"own": values["cifar10"], **values}[case.protocol]


def of_own(own: Any, paper: Any) -> Callable[[Case], Any]:
    """A value for a user's own images, and the paper's."""
    return lambda case: own if case.protocol == "own" else paper


def settings_of(recipe: type) -> dict[str, Setting]:
    """The settings of a dataclass, by field."""
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
