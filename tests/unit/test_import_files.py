"""Which rows of a file are read, which are rejected, and what is said of those."""

import csv
import json
import re
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zava.adapters.files.models import MODELS
from zava.adapters.files.reading import Check, ShopFile
from zava.adapters.files.writing import write_rejections, write_rows
from zava.core.errors import SetupError
from zava.core.formulas import FORMULA
from zava.core.imports import Kind, Rejection, Row

STORES = "name,region,opened_on"
TARGETS = "store,month,revenue_target"
ORDERS = "store,order_number,ordered_at,line_no,sku,quantity,unit_price"


def silent(_: int) -> None:
    """Report nothing."""


def csv_file(folder: Path, kind: Kind, content: str | bytes, **renamed: str) -> ShopFile:
    path = folder / f"{kind}.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return ShopFile(path, kind, renamed)


def json_file(folder: Path, kind: Kind, *rows: object) -> ShopFile:
    path = folder / f"{kind}.jsonl"
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows), encoding="utf-8")
    return ShopFile(path, kind, {})


def read(file: ShopFile, after: int = 0) -> tuple[list[Row], list[Rejection]]:
    batches = list(file.batches(after))
    return [row for batch in batches for row in batch.rows], [bad for batch in batches for bad in batch.rejections]


def reason(file: ShopFile) -> str:
    """Why its one row is rejected."""
    rows, rejections = read(file)
    assert rows == []
    (rejection,) = rejections
    return rejection.reason


def refusal(file: ShopFile) -> str:
    """Why it is not read at all."""
    with pytest.raises(SetupError) as refused:
        read(file)
    return str(refused.value)


def test_a_row_is_its_line_and_the_fields_of_its_kind(tmp_path: Path) -> None:
    rows, rejections = read(csv_file(tmp_path, "stores", f"{STORES},location\nOslo,North,2020-05-01,Main street"))
    assert rows == [(2, "Oslo", "Main street", "North", None, date(2020, 5, 1))]
    assert rejections == []


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfname,region,opened_on\nOslo,North,2020-05-01\n",
        b"Name,REGION,Opened On\r\nOslo,North,2020-05-01\r\n\r\n",
        b"opened_on,name,region\r2020-05-01,Oslo,North\r",
        b'"name","region","opened_on"\n\n" Oslo ","North","2020-05-01"',
        b"name,region,opened_on,is_online\r\nOslo,North,2020-05-01,\n",
    ],
    ids=["byte order mark", "other spelling", "lone carriage returns", "blanks", "mixed endings"],
)
def test_files_of_many_programs_are_read(tmp_path: Path, content: bytes) -> None:
    rows, rejections = read(csv_file(tmp_path, "stores", content))
    assert [row[1:] for row in rows] == [("Oslo", None, "North", None, date(2020, 5, 1))]
    assert rejections == []


def test_a_row_is_named_by_the_line_where_it_begins(tmp_path: Path) -> None:
    content = f'{STORES},location\nOslo,North,2020-05-01,"two\nlines"\nBergen,West,soon,\n\nTroms,North,later,\n'
    _, rejections = read(csv_file(tmp_path, "stores", content))
    assert [rejection.line for rejection in rejections] == [4, 6]


def test_a_file_is_read_on_after_a_line(tmp_path: Path) -> None:
    file = csv_file(tmp_path, "targets", f"{TARGETS}\nOslo,2026-01,1\nOslo,2026-02,2\nOslo,2026-03,x")
    rows, rejections = read(file, after=2)
    assert [row[0] for row in rows] == [3]
    assert [rejection.line for rejection in rejections] == [4]


def test_a_large_file_comes_in_batches_that_end_where_they_say(tmp_path: Path) -> None:
    file = csv_file(tmp_path, "targets", f"{TARGETS}\n" + "".join(f"Oslo,2026-0{month},1\n" for month in range(1, 6)))
    file = replace(file, batch=2)
    assert [(len(batch.rows), batch.line) for batch in file.batches(0)] == [(2, 3), (2, 5), (1, 6)]


@pytest.mark.parametrize(
    ("kind", "content", "said"),
    [
        ("stores", f"{STORES}\n,North,2020-05-01", "name: is missing"),
        ("stores", f"{STORES}\nOslo,North,0000-01-01", "opened_on: write a date as 2026-03-31 (it is '0000-01-01')"),
        ("stores", f"{STORES}\nOslo,North,9999-12-31", "opened_on: the year 9999 is not between 1900 and 2199"),
        ("stores", f"{STORES}\nOslo,North,1588291200", "opened_on: write a date as"),
        ("stores", f"{STORES}\nOslo,North,2026-02-30", "opened_on: write a date as"),
        ("stores", f"{STORES}\nOs\0lo,North,2020-05-01", "name: has a NUL character in it (it is 'Os\\\\0lo')"),
        ("stores", STORES.encode() + b"\nM\xfcnchen,South,2020-05-01", "name: is not UTF-8 (it is 'M\\\\udcfcnchen')"),
        ("stores", f"{STORES}\n{'x' * 101},North,2020-05-01", "name: string should have at most 100 characters"),
        ("stores", f"{STORES}\n{'x' * 140_000},North,2020-05-01", "the row cannot be read (field larger than"),
        ("stores", f'{STORES}\n"Oslo,North,2020-05-01', "is a quote never closed?"),
        ("stores", f"{STORES}\nOslo,North", "the row has 2 columns, and the first line 3"),
        ("stores", f"{STORES}\nOslo,North,2020-05-01,,", "the row has 5 columns, and the first line 3"),
        ("stores", f"{STORES},is_online\nOslo,North,2020-05-01,maybe", "is_online: input should be a valid boolean"),
        ("targets", f"{TARGETS}\nOslo,2026-03,12,5", "the row has 4 columns"),
        ("targets", f'{TARGETS}\nOslo,2026-03,"12,5"', "revenue_target: is no amount such as 12.50"),
        ("targets", f"{TARGETS}\nOslo,2026-03,1.234", "revenue_target: is no amount"),
        ("targets", f"{TARGETS}\nOslo,2026-03,-1", "revenue_target: is no amount"),
        ("targets", f"{TARGETS}\nOslo,2026-03,NaN", "revenue_target: is no amount"),
        ("targets", f"{TARGETS}\nOslo,2026-03,1e5", "revenue_target: is no amount"),
        ("targets", f"{TARGETS}\nOslo,2026-03,12345678901", "revenue_target: is no amount"),
        ("targets", f"{TARGETS}\nOslo,2026-03-02,5", "month: write a month as 2026-03"),
        ("targets", f"{TARGETS}\nOslo,2026-13,5", "month: write a date as"),
        ("orders", f"{ORDERS}\nOslo,0,2026-03-01T10:00,1,A,1,5", "order_number: input should be greater than"),
        ("orders", f"{ORDERS}\nOslo,1,20260301,1,A,1.5,5", "quantity: is no whole number"),
        ("orders", f"{ORDERS}\nOslo,1,1767225600,1,A,1,5", "ordered_at: write a moment as"),
        ("orders", f"{ORDERS}\nOslo,1,2026-03-01T10:00,1,A,3000000000,5", "quantity: input should be less than"),
        ("orders", f"{ORDERS},status\nOslo,1,2026-03-01T10:00,1,A,1,5,lost", "status: is none of pending, paid"),
        ("customers", "store,email\nOslo,", "a customer needs a customer_number or an email"),
        ("business", "currency\nkroner", "currency: is no currency such as USD"),
    ],
)
def test_a_bad_row_is_rejected_with_its_reason(tmp_path: Path, kind: Kind, content: str | bytes, said: str) -> None:
    assert said in reason(csv_file(tmp_path, kind, content))


def test_a_row_has_all_of_its_problems_named(tmp_path: Path) -> None:
    said = reason(csv_file(tmp_path, "targets", f"{TARGETS}\n,2026-3,much"))
    assert [part.split(":")[0] for part in said.split("; ")] == ["store", "month", "revenue_target"]


def test_a_reason_names_the_column_as_the_file_does(tmp_path: Path) -> None:
    file = csv_file(
        tmp_path, "targets", "Filiale,Month,Ziel\nOslo,2026-03,viel", store="filiale", revenue_target="ZIEL"
    )
    assert reason(file).startswith("Ziel: is no amount")


def test_rows_after_one_that_cannot_be_read_are_read(tmp_path: Path) -> None:
    content = f'{STORES}\n"Oslo"x,North,2020-05-01\nBergen,West,2020-05-01\n'
    rows, rejections = read(csv_file(tmp_path, "stores", content))
    assert [row[1] for row in rows] == ["Bergen"]
    assert [rejection.line for rejection in rejections] == [2]


def test_a_bad_line_names_its_order(tmp_path: Path) -> None:
    content = f"{ORDERS}\n Oslo ,7,2026-03-01T10:00,1,A,none,5\nOslo,x\0,2026-03-01T10:00,1,A,1,5\nOslo"
    _, rejections = read(csv_file(tmp_path, "orders", content))
    assert [rejection.order for rejection in rejections] == [("Oslo", "7"), ("Oslo", "x\\0"), None]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "has nothing in it. Its first line must name the fields: name, location, region, is_online, opened_on."),
        (b"\xff\xfen\0a\0", "is UTF-16. Save it as UTF-8"),
        (b"name;region;opened_on\n", "Columns are separated by commas."),
        (b"name,opened_on\n", "has no column for region. It has: name, opened_on."),
        (b"nam,region,opened_on\n", "has no column for name (the nearest is 'nam')"),
        (b"name,region,opened_on,locaton\n", "'locaton' means nothing here; is it location?"),
        (b"name,region,opened_on,Name\n", "Two columns are name: 'name' and 'Name'."),
        (b"x" * 1_000_001, "line 1 is longer than 1,000,000 characters"),
    ],
)
def test_a_file_that_is_no_such_table_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    assert said in refusal(csv_file(tmp_path, "stores", content))


@pytest.mark.parametrize(
    ("renamed", "said"),
    [
        ({"nam": "name"}, "There is no field 'nam' (the nearest is 'name')."),
        ({"location": "place"}, "There is no column 'place'. The file has: name, region, opened_on."),
        ({"location": "Regions"}, "There is no column 'Regions' (the nearest is 'region')."),
    ],
)
def test_a_column_is_not_named_in_vain(tmp_path: Path, renamed: dict[str, str], said: str) -> None:
    assert said in refusal(csv_file(tmp_path, "stores", f"{STORES}\n", **renamed))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert "cannot be read: No such file" in refusal(ShopFile(tmp_path / "stores.csv", "stores", {}))


def test_one_column_may_be_two_fields(tmp_path: Path) -> None:
    content = "sku,name,category,base_price,cost\nA,Axe,Tools,5,4"
    rows, _ = read(csv_file(tmp_path, "products", content, product_type="category"))
    assert rows[0][4:6] == ("Tools", "Tools")


def test_columns_that_mean_nothing_are_ignored_and_named(tmp_path: Path) -> None:
    file = csv_file(tmp_path, "stores", f"{STORES},manager\nOslo,North,2020-05-01,Kari")
    assert file.columns.ignored == ["manager"]
    assert len(read(file)[0]) == 1


def test_json_has_types_of_its_own(tmp_path: Path) -> None:
    row = {"store": "Oslo", "month": "2026-03", "revenue_target": 12.5}
    rows, rejections = read(json_file(tmp_path, "targets", row, "", {**row, "revenue_target": "7.25"}))
    assert rows == [(1, "Oslo", date(2026, 3, 1), "12.5"), (3, "Oslo", date(2026, 3, 1), "7.25")]
    assert rejections == []


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("{", "the line is no JSON object"),
        ("[1]", "the line is no JSON object"),
        ('{"store": "Oslo", "month": "2026-03", "revenue_target": NaN}', "NaN is no number"),
        ('{"store": "Oslo", "month": "2026-03", "revenue_target": ' + "9" * 5000 + "}", "the line is no JSON object"),
        ("[" * 100_000, "the line is no JSON object"),
        ({"store": ["Oslo"], "month": "2026-03", "revenue_target": 1}, "store: input should be a valid string"),
        ({"store": "O\0", "month": "2026-03", "revenue_target": 1}, "store: has a NUL character in it"),
        ('{"store": "\\ud800", "month": "2026-03", "revenue_target": 1}', "store: is not UTF-8"),
        ({"store": "Oslo", "month": "2026-03", "revenue_target": True}, "revenue_target: input should be a valid"),
        ({"store": "Oslo", "month": "2026-03"}, "revenue_target: is missing"),
    ],
)
def test_a_bad_line_of_json_is_rejected_with_its_reason(tmp_path: Path, row: object, said: str) -> None:
    good = {"store": "Oslo", "month": "2026-01", "revenue_target": 1}
    rows, (rejection,) = read(json_file(tmp_path, "targets", good, row))
    assert len(rows) == 1
    assert rejection.line == 2
    assert said in rejection.reason


def test_a_field_of_json_that_comes_late_and_means_nothing_is_not_passed_over(tmp_path: Path) -> None:
    row = {"store": "Oslo", "month": "2026-03", "revenue_target": 1}
    _, (rejection,) = read(json_file(tmp_path, "targets", *[row] * 1000, {**row, "revenue_taget": 2}))
    assert rejection.reason == "there is no field 'revenue_taget'"


def test_content_and_columns_make_the_fingerprint(tmp_path: Path) -> None:
    content = f"{STORES},place\nOslo,North,2020-05-01,Main street"
    first = csv_file(tmp_path, "stores", content).fingerprint
    assert csv_file(tmp_path, "stores", content).fingerprint == first
    assert csv_file(tmp_path, "stores", content, location="place").fingerprint != first
    assert csv_file(tmp_path, "stores", f"{content}\n").fingerprint != first


def test_an_empty_cell_clears_a_text_and_leaves_everything_else(tmp_path: Path) -> None:
    header = "sku,name,description,category,product_type,base_price,cost,pack_size"
    rows, _ = read(csv_file(tmp_path, "products", f"{header}\nA,Axe,,Tools,Axes,5,4,"))
    assert rows[0][3] == ""
    assert rows[0][8] is None


@given(text=st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30).map(str.strip))
def test_a_text_is_the_same_after_an_export_and_no_formula_in_it(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.mktemp("export") / "products.csv"
    columns = ["sku", "name", "description", "category", "product_type", "base_price", "cost"]
    row = ("A", "Axe", text, "Tools", "Axes", Decimal("5.00"), Decimal("4.10"))
    assert write_rows(path, columns, [row], silent) == 1
    with path.open(encoding="utf-8", newline="") as written:
        cell = list(csv.reader(written))[1][2]
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert read(ShopFile(path, "products", {}))[0] == [(2, *row[:5], "5.00", "4.10", None, None, None)]


@pytest.mark.parametrize("text", ["=cmd|' /C calc'!A0", "'=1+1", "''=1+1", "+49 30", "@me", "'tis", "-", "\uff1d1"])
@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_a_formula_is_a_text_and_comes_back_as_it_was(tmp_path: Path, text: str, suffix: str) -> None:
    path = tmp_path / f"stores{suffix}"
    write_rows(path, ["name", "region", "opened_on"], [(text, "North", date(2020, 5, 1))], silent)
    assert read(ShopFile(path, "stores", {}))[0][0][1] == text


def test_a_file_of_customers_is_for_its_owner_alone_and_replaces_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "customers.csv"
    path.write_text("an older one", encoding="utf-8")
    write_rows(path, ["store", "email"], [("Oslo", "ada@example.com")], silent)
    assert path.read_text(encoding="utf-8") == "store,email\nOslo,ada@example.com\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_rejected_rows_can_be_mended_and_imported(tmp_path: Path) -> None:
    file = csv_file(tmp_path, "stores", f"{STORES}\nOslo,North,soon\nBergen,West,2020-05-01\n")
    place = tmp_path / "rejected.csv"
    write_rejections(place, file, read(file)[1])
    header, row = place.read_text(encoding="utf-8").splitlines()
    assert header == f"rejected_line,rejected_because,{STORES}"
    assert row.startswith("2,")
    place.write_text(f"{header}\n{row.replace('Oslo,North,soon', 'Oslo,North,2026-05-01')}", encoding="utf-8")
    rows, rejections = read(ShopFile(place, "stores", {}))
    assert [row[1] for row in rows] == ["Oslo"]
    assert rejections == []


def test_rejected_rows_run_nothing_in_a_spreadsheet_and_mean_the_same(tmp_path: Path) -> None:
    """They are there to be opened and mended, and others wrote them."""
    names = ["=cmd|' /C calc'!A0", "'=1+1", "@SUM(A1)", "Ada's", "-5"]
    lines = "".join(f"{name},North,{{day}},\n" for name in names)
    header = f"{STORES},=remark"
    file = csv_file(tmp_path, "stores", f"{header}\n{lines.format(day='soon')}")
    place = tmp_path / "rejected.csv"
    write_rejections(place, file, read(file)[1])
    text = place.read_text(encoding="utf-8")
    cells = [cell for row in csv.reader(text.splitlines()) for cell in row]
    assert [cell for cell in cells if cell.startswith(FORMULA)] == []
    place.write_text(text.replace(",soon,", ",2026-05-01,"), encoding="utf-8")
    as_given = csv_file(tmp_path, "stores", f"{header}\n{lines.format(day='2026-05-01')}")
    assert read(ShopFile(place, "stores", {}))[0] == read(as_given)[0]


def test_rejected_rows_of_json_can_be_mended_and_imported(tmp_path: Path) -> None:
    file = json_file(tmp_path, "targets", {"store": "Oslo", "month": "2026-03", "revenue_target": "much"})
    place = tmp_path / "rejected.jsonl"
    write_rejections(place, file, read(file)[1])
    place.write_text(place.read_text(encoding="utf-8").replace('"much"', "5"), encoding="utf-8")
    assert read(ShopFile(place, "targets", {}))[0] == [(1, "Oslo", date(2026, 3, 1), "5")]


ODD = st.sampled_from(
    [
        "", " ", "0", "-0", "1", "01", "1.0", "1,5", "1.234", "1e3", "\u0661", "NaN", "true", "yes", "None", "'", "''",
        "'=1", "=1+1", "@me", "-5", "2026-03", "2026-03-31", "2026-13-01", "0000-01-01", "9999-12-31", "20260331",
        "x" * 60, "2026-03-31T17:05", "2026-03-31T17:05:00-07:00", "2026-03-31 25:00", "Paid", "USD", "usd ", "a@B.com",
        "\u0130@x.com", "O'slo", "a\nb", "a\0b", "\udcff", "99999999.99", "100000000", "9223372036854775808",
        "100.00", "100.01",
    ]
)  # fmt: skip


@given(data=st.data(), kind=st.sampled_from(list(MODELS)))
def test_a_row_is_the_same_whether_its_cells_were_seen_before_or_not(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, kind: Kind
) -> None:
    """Cells are remembered, one by one; a row that is looked at as a whole must not become another."""
    fields = data.draw(st.permutations(list(MODELS[kind].model_fields)))
    rows = data.draw(st.lists(st.lists(ODD, min_size=len(fields), max_size=len(fields)), min_size=1, max_size=6))
    path = tmp_path_factory.mktemp("odd") / f"{kind}.csv"
    with path.open("w", encoding="utf-8", errors="surrogateescape", newline="") as written:
        csv.writer(written).writerows([fields, *rows, *rows])
    file = ShopFile(path, kind, {})
    check = Check(file.model, file.columns, spreadsheet=True)
    whole = [check(record) for record in file.records()]
    found, rejections = read(file)
    assert found == [row for row in whole if not isinstance(row, Rejection)]
    assert rejections == [row for row in whole if isinstance(row, Rejection)]


def test_a_header_in_the_middle_is_a_row_that_is_wrong(tmp_path: Path) -> None:
    """As when two files were put together."""
    part = b"\xef\xbb\xbfname,region,opened_on\r\nOslo,North,2020-05-01\r\n"
    rows, (rejection,) = read(csv_file(tmp_path, "stores", part + part.replace(b"Oslo", b"Bergen")))
    assert [row[1] for row in rows] == ["Oslo", "Bergen"]
    assert rejection.line == 3
    assert rejection.reason == "opened_on: write a date as 2026-03-31 (it is 'opened_on')"


def test_lines_of_json_after_a_broken_one_are_read(tmp_path: Path) -> None:
    good = {"store": "Oslo", "month": "2026-01", "revenue_target": 1}
    file = json_file(tmp_path, "targets", good, '{"store": "Oslo", "month":', good, '"month": "2026-02"}', good)
    rows, rejections = read(file)
    assert [row[0] for row in rows] == [1, 3, 5]
    assert [rejection.line for rejection in rejections] == [2, 4]


def test_every_kind_has_a_model() -> None:
    assert list(MODELS) == list(Kind.__args__)  # type: ignore[attr-defined]


def test_the_documented_columns_are_those_of_the_models() -> None:
    text = (Path(__file__).parents[2] / "docs" / "import.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| (\[?`[^|]+) \|$", text, re.MULTILINE)
    documented = {kind: re.findall(r"(\[?)`(\w+)`", columns) for kind, columns in rows}
    assert documented == {
        kind: [("" if field.is_required() else "[", name) for name, field in model.model_fields.items()]
        for kind, model in MODELS.items()
    }
