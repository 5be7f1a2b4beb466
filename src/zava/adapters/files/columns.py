"""Which column of a file is which field of a row: by name, or as the caller says."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from zava.adapters.files.models import RowModel
from zava.core.errors import SetupError

# Of names: what is less alike is another word, and not the same one misspelled.
ALIKE = 0.75
MOST_SHOWN = 40


@dataclass(frozen=True)
class Columns:
    """The mapping of a file.

    Attributes:
        sources: for each field that the file has, the name of its column.
        ignored: columns that mean nothing here.
    """

    sources: Mapping[str, str]
    ignored: Sequence[str]

    @classmethod
    def of(cls, header: Sequence[str], model: type[RowModel], renamed: Mapping[str, str]) -> "Columns":
        """Finds each field's column: upper and lower case, blanks and punctuation make no difference.

        Args:
            header: the file's names.
            model: of its rows.
            renamed: for a field, the name of its column where that is another.

        Raises:
            SetupError: a column is missing, there twice, or resembles a field so much that it seems misspelled.
        """
        fields = list(model.model_fields)
        for field in renamed:
            if field not in fields:
                raise SetupError(f"There is no field {field!r}{_nearest(field, fields)}. There are: {_listed(fields)}.")
        wanted = {plain(renamed.get(field, field)): field for field in fields if field not in renamed}
        sources: dict[str, str] = {}
        ignored: list[str] = []
        for field, name in renamed.items():
            sources[field] = _only(name, header)
        for name in header:
            field_or_none = wanted.get(plain(name))
            if field_or_none is None:
                if name not in renamed.values():
                    ignored.append(name)
            elif field_or_none in sources:
                raise SetupError(f"Two columns are {field_or_none}: {sources[field_or_none]!r} and {name!r}. Keep one.")
            else:
                sources[field_or_none] = name
        _refuse_missing(model, sources, ignored)
        _refuse_misspelled([field for field in fields if field not in sources], ignored)
        return cls({field: sources[field] for field in fields if field in sources}, ignored)


def plain(name: str) -> str:
    """A name as it is compared."""
    return re.sub(r"[\W_]+", "", name).lower()


def _only(name: str, header: Sequence[str]) -> str:
    found = [column for column in header if plain(column) == plain(name)]
    if len(found) != 1:
        many = "two columns" if found else "no column"
        raise SetupError(f"There is {many} {name!r}{_nearest(name, header)}. The file has: {_listed(header)}.")
    return found[0]


def _refuse_missing(model: type[RowModel], sources: Mapping[str, str], ignored: Sequence[str]) -> None:
    missing = [
        f"{name}{_nearest(name, ignored)}"
        for name, field in model.model_fields.items()
        if field.is_required() and name not in sources
    ]
    if missing:
        raise SetupError(
            f"The file has no column for {', '.join(missing)}. It has: {_listed([*sources.values(), *ignored])}. Where "
            f"a column has another name, say so: --column {missing[0].split()[0]}=NAME."
        )


def _refuse_misspelled(absent: Sequence[str], ignored: Sequence[str]) -> None:
    """A misspelled column would be ignored, and its figures lost without a word."""
    for name in ignored:
        if near := _closest(name, absent):
            raise SetupError(
                f"The column {name!r} means nothing here; is it {near}? Then say --column {near}={name!r}; "
                "otherwise give it a name that resembles none."
            )


def _closest(name: str, names: Iterable[str]) -> str | None:
    plainly = {plain(other): other for other in names}
    found = get_close_matches(plain(name), plainly, 1, ALIKE)
    return plainly[found[0]] if found else None


def _nearest(name: str, names: Iterable[str]) -> str:
    near = _closest(name, names)
    return f" (the nearest is {near!r})" if near else ""


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_SHOWN} more" if len(names) > MOST_SHOWN else ""
    return ", ".join(names[:MOST_SHOWN]) + more
