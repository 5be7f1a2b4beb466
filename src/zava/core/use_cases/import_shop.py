"""How does a file become part of the shop? All of it or nothing, unless rows may be left out, and however often."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from zava.core.errors import SetupError
from zava.core.imports import KINDS, Imported, ImportResult, Kind, Report
from zava.core.ports import ImportFile, ImportRepository


@dataclass(frozen=True)
class ImportShop:
    """Stages files beside the shop, batch by batch, then changes the shop in one transaction.

    Attributes:
        repository: of an administrator's.
        skip_bad: whether the others are imported when some rows are rejected.
        delete_missing: whether rows of the shop go that the files do not have.
        trial: whether everything is done but the end.
    """

    repository: ImportRepository
    skip_bad: bool = False
    delete_missing: bool = False
    trial: bool = False

    def __call__(self, files: Sequence[ImportFile], report: Report) -> ImportResult:
        """What became of the files.

        Args:
            files: one of each kind at most, in any order.
            report: told what is being done, how much, and of how much.

        Raises:
            SetupError: a file cannot be read, or has nothing although everything missing should go.
        """
        ordered = sorted(files, key=lambda file: KINDS.index(file.kind))
        for file in ordered:
            self._stage(file, report)
        result = self._apply([file.kind for file in ordered], report)
        for file in ordered:
            self.repository.unstage(file.kind)
        return result

    def _stage(self, file: ImportFile, report: Report) -> None:
        line = self.repository.staged_until(file.kind, file.fingerprint)
        for batch in file.batches(line):
            self.repository.stage(file.kind, batch)
            report(file.kind, batch.line, file.lines)
        if self.delete_missing and not self.repository.staged_rows(file.kind):
            self.repository.unstage(file.kind)
            raise SetupError(
                f"There are no {file.kind} in the file, and --delete-missing would remove all that the shop has. "
                "Nothing was imported."
            )

    def _apply(self, kinds: Sequence[Kind], report: Report) -> ImportResult:
        found: dict[Kind, Imported] = {}
        with self.repository.transaction() as undo:
            for number, kind in enumerate(kinds, 1):
                rejections = self.repository.reject(kind)
                merged = self.repository.merge(kind)
                found[kind] = replace(merged, rows=self.repository.staged_rows(kind), rejections=rejections)
                report("into the shop", number, len(kinds))
            rejected = any(imported.rejections for imported in found.values())
            if self.delete_missing and not rejected:
                # Lines go before what they refer to.
                for kind in reversed(kinds):
                    gone = self.repository.remove_missing(kind)
                    found[kind] = replace(found[kind], removed=found[kind].removed + gone.removed, kept=gone.kept)
            applied = not self.trial and (self.skip_bad or not rejected)
            if not applied:
                undo()
        return ImportResult(found, applied, removed_nothing=self.delete_missing and rejected)
