"""zava import: files become part of the shop."""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg

from zava.adapters.files.reading import FORMATS, ShopFile
from zava.adapters.files.writing import write_rejections
from zava.adapters.postgres.imports import PostgresImportRepository, refuse_sample_shop, remove_stores
from zava.commands.database import Database, failures_of, open_database
from zava.commands.embed import BATCH, announce_cost, embed
from zava.commands.progress import progress_bar
from zava.commands.queries import printable
from zava.container import new_container
from zava.core.errors import EmbeddingError, SetupError
from zava.core.imports import KINDS, Imported, ImportResult, Kind
from zava.core.use_cases.import_shop import ImportShop
from zava.demo.postponed import checks_postponed
from zava.settings import Settings

MOST_REASONS = 5
# Of the preview.
CELL = 28


@dataclass(frozen=True)
class ImportOptions:
    """What the command line says.

    Attributes:
        renamed: for a field, the name of its column.
        rejected: the file for rejected rows; beside the file itself when None.
    """

    skip_bad: bool = False
    delete_missing: bool = False
    trial: bool = False
    renamed: Mapping[str, str] | None = None
    rejected: Path | None = None


def import_files(settings: Settings, what: str, path: Path | None, options: ImportOptions) -> None:
    """Imports a file of one kind, or all files of a folder, and brings up to date what is derived from them.

    Raises:
        SetupError: rows were rejected, so that nothing was imported; or a file or the database cannot be used.
    """
    files = _files(what, path, options.renamed or {})
    for file in files:
        print(_preview(file), file=sys.stderr)
    with open_database(settings) as database:
        _prepare(database)
        with database.ownership() as connection, failures_of("zava import"):
            shop = ImportShop(
                PostgresImportRepository.open(connection, checks_postponed),
                options.skip_bad,
                options.delete_missing,
                options.trial,
            )
            with progress_bar("Import") as report:
                result = shop(files, report)
            for file in files:
                print(_in_a_line(file.kind, result.files[file.kind], counted=result.applied or options.trial))
            _show_rejections(files, result, options)
            if result.applied:
                _sum_up(connection, result)
        if result.applied:
            _embed(settings, database, result)
    if options.trial:
        print("Nothing was imported: that was a trial.")


def _files(what: str, path: Path | None, renamed: Mapping[str, str]) -> Sequence[ShopFile]:
    kind = next((kind for kind in KINDS if kind == what), None)
    if path is None:
        folder = Path(what)
        if kind is not None:
            raise SetupError(f"Which file has the {what}? Say `zava import {what} FILE`.")
        if folder.is_file():
            raise SetupError(f"Which rows does {what} have? Say so, as in `zava import orders {what}`.")
        if not folder.is_dir():
            raise SetupError(f"There is no folder {what}. Import a folder, or one of {', '.join(KINDS)} from a file.")
        found = [
            ShopFile(folder / f"{kind}{suffix}", kind, {})
            for kind in KINDS
            for suffix in FORMATS
            if (folder / f"{kind}{suffix}").is_file()
        ]
        twice = [file.kind for file, other in pairwise(found) if file.kind == other.kind]
        if not found or twice or renamed:
            problem = (
                f"has {twice[0]} twice, as .csv and as .jsonl"
                if twice
                else "is a folder, and --column is for one file"
                if found
                else f"has no file such as {KINDS[1]}.csv; the names are {', '.join(KINDS)}"
            )
            raise SetupError(f"{folder} {problem}.")
        return found
    if kind is None:
        raise SetupError(f"There is nothing called {what} to import. Import one of {', '.join(KINDS)}.")
    if path.suffix not in FORMATS:
        raise SetupError(f"{path} is neither CSV nor JSON lines: its name must end in {' or '.join(FORMATS)}.")
    return [ShopFile(path, kind, renamed)]


def _prepare(database: Database) -> None:
    """An embedded database is made complete, for the shop and those who may ask; a configured one must be there."""
    if database.embedded is None:
        return
    database.migrate()
    with database.administration() as connection:
        refuse_sample_shop(connection)
    if database.seed(scale=0).stores:
        # It brings those who may ask. Its stores are not theirs whose shop this will be.
        with database.administration() as connection:
            remove_stores(connection)


def _preview(file: ShopFile) -> str:
    """Which column becomes which field, with the first rows."""
    columns, rows = file.columns, file.preview()
    lines = [f"{file.path}, read as {file.kind}:"]
    for field in file.model.model_fields:
        if field in columns.sources:
            source = columns.sources[field]
            name = field if source == field else f"{field} ← {source}"
            cells = [f"{_cell(row.get(source, '')):{CELL}}" for row in rows]
            lines.append(f"  {name:{CELL}} {' | '.join(cells)}".rstrip())
    absent = [field for field in file.model.model_fields if field not in columns.sources]
    if absent:
        lines.append(f"  not in the file: {', '.join(absent)}")
    if columns.ignored:
        lines.append(f"  ignored: {', '.join(printable(name) for name in columns.ignored)}")
    return "\n".join(lines)


def _cell(value: str) -> str:
    shown = printable(value, sys.stderr.encoding)
    return f"{shown[: CELL - 1]}…" if len(shown) > CELL else shown


def _in_a_line(kind: Kind, imported: Imported, *, counted: bool) -> str:
    """What became of a file; only what was rejected where nothing was imported."""
    counts = {"rejected": len(imported.rejections)}
    if counted:
        counts |= {
            "new": imported.new,
            "changed": imported.changed,
            "removed": imported.removed,
            "missing and kept": imported.kept,
        }
    said = [f"{number:,} {word}" for word, number in counts.items() if number]
    # A row of the file is a line; of the shop orders are counted as well.
    of_what = " (orders and lines)" if counted and kind == "orders" and said else ""
    rows = "row" if imported.rows == 1 else "rows"
    became = ", ".join(said) or ("nothing new" if counted else "none rejected")
    return f"{kind}: {imported.rows:,} {rows}; {became}{of_what}"


def _show_rejections(files: Sequence[ShopFile], result: ImportResult, options: ImportOptions) -> None:
    places = []
    for file in files:
        rejections = result.files[file.kind].rejections
        place = options.rejected or file.path.with_name(f"{file.path.stem}.rejected{file.path.suffix}")
        if not rejections:
            continue
        if options.rejected and len(files) > 1:
            place = options.rejected / f"{file.kind}.rejected{file.path.suffix}"
        write_rejections(place, file, rejections)
        places.append(str(place))
        for rejection in rejections[:MOST_REASONS]:
            print(f"{file.path}, line {rejection.line}: {printable(rejection.reason)}", file=sys.stderr)
        if len(rejections) > MOST_REASONS:
            print(f"… and {len(rejections) - MOST_REASONS:,} more.", file=sys.stderr)
    if not places:
        return
    if result.removed_nothing and result.applied:
        print("Nothing was removed, since missing rows may be among the rejected ones.")
    if not result.applied and not options.trial:
        raise SetupError(
            f"Nothing was imported: rows were rejected. They are in {', '.join(places)}, with the reasons. Mend them "
            "and import again, or leave them out with --skip-bad."
        )
    print(f"Rejected rows are in {', '.join(places)}, with the reasons.")


def _sum_up(connection: psycopg.Connection[Any], result: ImportResult) -> None:
    """Sums the days whose sales have changed. Another process that is at it does it as well."""
    if not _changed(result, "orders", "returns", "products"):
        return
    with progress_bar("Import") as report:
        days = 0
        while (row := connection.execute("SELECT retail.roll_up_sales()").fetchone()) and row[0]:
            days += row[0]
            report("days summed", days, days)


def _embed(settings: Settings, database: Database, result: ImportResult) -> None:
    """Embeds new and changed products. The import stands without it."""
    sources = new_container(settings, database.access).embedding_sources() if _changed(result, "products") else []
    if not sources:
        return
    price = settings.embedding.price if settings.embedding.provider == "openai" else None

    async def embed_all() -> int:
        try:
            with progress_bar("Embedding") as report:
                return await embed(database, sources[0], BATCH, lambda backlog: announce_cost(backlog, price), report)
        finally:
            for source in sources:
                await source.close()

    try:
        print(f"Embedded {asyncio.run(embed_all()):,} products.")
    except (EmbeddingError, SetupError) as error:
        print(f"Products are not found by meaning yet: {error}. Run `zava embed` later.".replace("..", "."))


def _changed(result: ImportResult, *kinds: Kind) -> bool:
    return any(
        imported.new or imported.changed or imported.removed for kind, imported in result.files.items() if kind in kinds
    )
