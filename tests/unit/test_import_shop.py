"""When rows become part of the shop, and when nothing does."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from zava.core.errors import SetupError
from zava.core.imports import Batch, Imported, Kind, Rejection
from zava.core.ports import ImportFile, ImportRepository
from zava.core.use_cases.import_shop import ImportShop


@dataclass(frozen=True)
class FakeFile(ImportFile):
    """Rows are their lines; `bad` ones are not well formed."""

    of_kind: Kind
    length: int
    bad: tuple[int, ...] = ()
    breaks_after: int | None = None

    @property
    def kind(self) -> Kind:
        return self.of_kind

    @property
    def fingerprint(self) -> str:
        return f"{self.of_kind} of {self.length}"

    @property
    def lines(self) -> int:
        return self.length

    def batches(self, after: int) -> Iterator[Batch]:
        for line in range(after + 1, self.lines + 1):
            if self.breaks_after is not None and line > self.breaks_after:
                raise SetupError("the file cannot be read on")
            rejections = [Rejection(line, "is bad")] if line in self.bad else []
            yield Batch([] if rejections else [(line,)], rejections, line)


@dataclass
class FakeShop(ImportRepository):
    """Remembers what it was told; `misfits` of a kind do not fit into the shop."""

    misfits: dict[Kind, list[int]] = field(default_factory=dict)
    staged: dict[Kind, list[Batch]] = field(default_factory=dict)
    fingerprints: dict[Kind, str] = field(default_factory=dict)
    shop: dict[Kind, list[int]] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)

    def staged_until(self, kind: Kind, fingerprint: str) -> int:
        if self.fingerprints.get(kind) != fingerprint:
            self.fingerprints[kind] = fingerprint
            self.staged[kind] = []
        return max((batch.line for batch in self.staged[kind]), default=0)

    def stage(self, kind: Kind, batch: Batch) -> None:
        self.told.append(f"stage {kind} {batch.line}")
        self.staged[kind].append(batch)

    def unstage(self, kind: Kind) -> None:
        del self.staged[kind], self.fingerprints[kind]

    def staged_rows(self, kind: Kind) -> int:
        return len(self.staged[kind])

    @contextmanager
    def transaction(self) -> Iterator[Callable[[], None]]:
        before = dict(self.shop)
        undone: list[bool] = []
        yield lambda: undone.append(True)
        if undone:
            self.shop = before

    def reject(self, kind: Kind) -> Sequence[Rejection]:
        bad = [rejection for batch in self.staged[kind] for rejection in batch.rejections]
        return bad + [Rejection(line, "does not fit") for line in self.misfits.get(kind, [])]

    def merge(self, kind: Kind) -> Imported:
        self.told.append(f"merge {kind}")
        self.shop[kind] = [batch.line for batch in self.staged[kind] if not batch.rejections]
        return Imported(0, new=len(self.shop[kind]))

    def remove_missing(self, kind: Kind) -> Imported:
        self.told.append(f"remove {kind}")
        return Imported(0, removed=1, kept=2)


def silent(what: str, done: int, total: int) -> None:
    """Report nothing."""


def test_kinds_go_in_in_the_order_in_which_they_need_each_other() -> None:
    shop = FakeShop()
    result = ImportShop(shop)([FakeFile("orders", 2), FakeFile("stores", 1)], silent)
    assert shop.told == ["stage stores 1", "stage orders 1", "stage orders 2", "merge stores", "merge orders"]
    assert result.applied
    assert {kind: (imported.rows, imported.new) for kind, imported in result.files.items()} == {
        "stores": (1, 1),
        "orders": (2, 2),
    }
    assert shop.staged == {}


@pytest.mark.parametrize("misfits", [{}, {"orders": [2]}])
def test_one_bad_row_keeps_everything_out_and_every_rejection_is_told(misfits: dict[Kind, list[int]]) -> None:
    shop = FakeShop(misfits)
    bad = () if misfits else (2,)
    result = ImportShop(shop)([FakeFile("stores", 1), FakeFile("orders", 3, bad)], silent)
    assert not result.applied
    assert shop.shop == {}
    assert [rejection.line for rejection in result.files["orders"].rejections] == [2]
    assert shop.staged == {}


def test_bad_rows_are_left_out_on_request() -> None:
    shop = FakeShop()
    result = ImportShop(shop, skip_bad=True)([FakeFile("orders", 3, bad=(2,))], silent)
    assert result.applied
    assert shop.shop == {"orders": [1, 3]}
    assert result.files["orders"].rows == 3


def test_a_trial_changes_nothing() -> None:
    shop = FakeShop()
    result = ImportShop(shop, skip_bad=True, delete_missing=True, trial=True)([FakeFile("stores", 2)], silent)
    assert (result.applied, shop.shop, shop.staged) == (False, {}, {})
    assert result.files["stores"].new == 2


def test_an_interrupted_import_goes_on_where_it_stopped() -> None:
    shop = FakeShop()
    with pytest.raises(SetupError):
        ImportShop(shop)([FakeFile("orders", 3, breaks_after=2)], silent)
    assert shop.shop == {}
    shop.told.clear()
    ImportShop(shop)([FakeFile("orders", 3)], silent)
    assert shop.told == ["stage orders 3", "merge orders"]
    assert shop.shop == {"orders": [1, 2, 3]}


def test_another_file_begins_anew() -> None:
    shop = FakeShop()
    with pytest.raises(SetupError):
        ImportShop(shop)([FakeFile("orders", 3, breaks_after=2)], silent)
    ImportShop(shop)([FakeFile("orders", 1)], silent)
    assert shop.shop == {"orders": [1]}


def test_what_is_missing_goes_on_request_lines_before_what_they_refer_to() -> None:
    shop = FakeShop()
    result = ImportShop(shop, delete_missing=True)([FakeFile("stores", 1), FakeFile("orders", 1)], silent)
    assert shop.told[-2:] == ["remove orders", "remove stores"]
    assert {(imported.removed, imported.kept) for imported in result.files.values()} == {(1, 2)}
    assert not result.removed_nothing


def test_nothing_goes_when_it_may_be_among_the_rejected_rows() -> None:
    shop = FakeShop()
    result = ImportShop(shop, skip_bad=True, delete_missing=True)([FakeFile("stores", 2, bad=(1,))], silent)
    assert (result.applied, result.removed_nothing) == (True, True)
    assert "remove stores" not in shop.told


def test_an_empty_file_does_not_empty_the_shop() -> None:
    shop = FakeShop(shop={"stores": [1]})
    with pytest.raises(SetupError, match="There are no stores in the file, and --delete-missing would remove all"):
        ImportShop(shop, delete_missing=True)([FakeFile("stores", 0)], silent)
    assert shop.shop == {"stores": [1]}
    assert ImportShop(shop)([FakeFile("stores", 0)], silent).applied
