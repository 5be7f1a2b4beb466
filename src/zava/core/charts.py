"""What a chart shows, whoever draws it. All texts in it are ready to be shown."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal, TypeAlias

from zava.core.metrics import Unit

# Lines for what runs, columns for few moments, bars for names, heat for hours of weekdays, figures alone.
Mark: TypeAlias = Literal["line", "columns", "bars", "heat", "figures"]

MOST_POINTS = 1_000
MOST_SERIES = 5
MOST_BARS = 15
# Fewer moments than this are no line.
FEWEST_OF_A_LINE = 3
LONGEST_LABEL = 30

WORDS: dict[Mark, str] = {
    "line": "Line chart",
    "columns": "Column chart",
    "bars": "Bar chart",
    "heat": "Heat map",
    "figures": "Figures",
}


@dataclass(frozen=True, slots=True)
class Series:
    """A value a label of the chart, None where there is none.

    Attributes:
        name: shown at the line; empty where the title says it.
        before: of the days that the others are compared with.
    """

    name: str
    values: tuple[Decimal | None, ...]
    before: bool = False


@dataclass(frozen=True, slots=True)
class Figure:
    """One number, large.

    Attributes:
        value: with its unit, but for money.
        note: below it: how it changed, or what it is part of.
    """

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """A picture of an answer.

    Attributes:
        title: the finding, in a sentence.
        subtitle: of what, in what unit, where and when.
        unit: of all values of the series.
        labels: of the values, in the order in which they are drawn; dates of a line through a calendar.
        from_zero: whether the scale of a line begins at nought, as it does for all other marks.
        notes: a text beside each bar.
        figures: above the rest.
    """

    mark: Mark
    title: str
    subtitle: str
    unit: Unit = "count"
    labels: tuple[str | date, ...] = ()
    series: tuple[Series, ...] = ()
    from_zero: bool = True
    notes: tuple[str, ...] = ()
    figures: tuple[Figure, ...] = ()

    @property
    def alt(self) -> str:
        """The same for those who do not see it."""
        return f"{WORDS[self.mark]}. {self.title}. {self.subtitle}."


@dataclass(frozen=True, slots=True)
class Picture:
    """A chart, drawn.

    Attributes:
        png: twice as many pixels as it takes on a screen.
        alt: what it shows, in words.
        specification: by which it was drawn; JSON, in Vega-Lite.
    """

    png: bytes
    alt: str
    specification: Mapping[str, object]
