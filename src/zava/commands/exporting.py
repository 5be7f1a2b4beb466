"""zava export: the shop as files that can be imported."""

from difflib import get_close_matches
from pathlib import Path

from zava.adapters.files.reading import CSV, FORMATS
from zava.adapters.files.writing import write_rows
from zava.adapters.postgres.exports import PostgresExportRepository
from zava.commands.database import failures_of, open_database
from zava.commands.progress import progress_bar
from zava.core.errors import SetupError
from zava.core.imports import KINDS, Kind
from zava.settings import Settings


def export_files(settings: Settings, what: str, path: Path | None) -> None:
    """Writes one kind to a file, or all of them to a folder, as they are at one moment."""
    places = _places(what, path)
    with (
        open_database(settings) as database,
        database.ownership() as connection,
        failures_of("zava export"),
        PostgresExportRepository.open(connection) as shop,
        progress_bar("Export") as report,
    ):
        written = {}
        for kind, place in places.items():
            with shop.table(kind) as (columns, rows):
                written[kind] = write_rows(
                    place,
                    columns,
                    rows,
                    lambda done, kind=kind: report(kind, done, done),  # type: ignore[misc]
                )
    for kind, rows_written in written.items():
        print(f"{places[kind]}: {rows_written:,} {'row' if rows_written == 1 else 'rows'}")


def _places(what: str, path: Path | None) -> dict[Kind, Path]:
    kind = next((kind for kind in KINDS if kind == what), None)
    if path is None:
        if kind is not None:
            raise SetupError(f"Where do the {what} go? Say `zava export {what} FILE`.")
        folder = Path(what)
        if not folder.is_dir() and (nearest := get_close_matches(what, KINDS, n=1)):
            raise SetupError(
                f"There is nothing called {what} to export. Did you mean `zava export {nearest[0]} FILE`? If it is to "
                f"be a folder, write ./{what}."
            )
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SetupError(f"{folder} is no folder to write to: {error.strerror}.") from None
        return {kind: folder / f"{kind}{CSV}" for kind in KINDS}
    if kind is None:
        raise SetupError(f"There is nothing called {what} to export. Export one of {', '.join(KINDS)}.")
    if path.suffix not in FORMATS:
        raise SetupError(f"{path} must end in {' or '.join(FORMATS)}: that says how it is written.")
    return {kind: path}
