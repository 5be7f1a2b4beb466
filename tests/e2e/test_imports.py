"""Somebody brings a shop of their own, and asks about it."""

import json
import re
import shutil
from pathlib import Path

import pytest
from fastmcp import Client
from fastmcp.client.auth import BearerAuth

from tests.e2e.conftest import Server, start_server, zava

EXAMPLE = Path(__file__).parents[2] / "examples" / "shop"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the example, to be changed."""
    return Path(shutil.copytree(EXAMPLE, tmp_path_factory.mktemp("files") / "shop"))


@pytest.fixture(scope="module")
def data_dir(folder: Path, files: Path) -> Path:
    """A shop that was imported into an empty folder."""
    place = folder / "imported"
    done = zava("import", str(files), "--data-dir", str(place))
    assert done.returncode == 0, done.stderr
    assert {"business: 1 row; 1 changed", "orders: 9 rows; 15 new (orders and lines)"} <= set(done.stdout.splitlines())
    assert "customer_number              C-1001" in done.stderr
    return place


async def test_an_imported_shop_is_served_to_head_office(data_dir: Path) -> None:
    server: Server = start_server(data_dir)
    try:
        async with Client(server.url, auth=BearerAuth("demo-head-office")) as client:
            stores = await client.call_tool(
                "execute_sales_query", {"postgresql_query": "SELECT name FROM stores ORDER BY name"}
            )
            answer = await client.call_tool("get_store_performance", {"period": "2026-03"})
    finally:
        assert server.stop() == 0
    assert (stores.structured_content or {})["rows"] == [["Chicago"], ["Springfield"], ["Web"]]
    # 17.80 + 5.85 + 29.40 + 34.40 + 11.50 + 31.00; the cancelled order does not count.
    assert (answer.structured_content or {})["metrics"]["revenue"]["value"] == 129.95


def test_rejected_rows_keep_a_file_out_unless_they_may_be_left_out(data_dir: Path, files: Path) -> None:
    path = files / "stock.csv"
    path.write_text("store,sku,in stock\nWeb,TEA-SE-100,7\nWeb,\x1b[31mNOPE,1\n", encoding="utf-8")
    arguments = ("import", "inventory", str(path), "--column", "stock_level=in stock", "--data-dir", str(data_dir))
    refused = zava(*arguments)
    assert refused.returncode == 1
    assert "inventory: 2 rows; 1 rejected" in refused.stdout
    # Before anything is done: which column is which field, and the first values.
    assert f"{path}, read as inventory:" in refused.stderr
    assert re.search(r"stock_level ← in stock +7 +\| 1", refused.stderr)
    assert "line 3: sku: there is no '\\x1b[31mNOPE'" in refused.stderr
    assert refused.stderr.splitlines()[-1].startswith("zava: Nothing was imported: rows were rejected.")
    rejected = (files / "stock.rejected.csv").read_text(encoding="utf-8").splitlines()
    assert rejected[0] == "rejected_line,rejected_because,store,sku,in stock"
    assert len(rejected) == 2
    trial = zava(*arguments, "--skip-bad", "--trial")
    assert trial.stdout.splitlines()[-1] == "Nothing was imported: that was a trial."
    done = zava(*arguments, "--skip-bad", "--delete-missing")
    assert done.returncode == 0
    assert "inventory: 2 rows; 1 rejected, 1 changed" in done.stdout
    assert "Nothing was removed, since missing rows may be among the rejected ones." in done.stdout


def test_an_exported_shop_is_imported_without_a_change(data_dir: Path, tmp_path: Path) -> None:
    exported = zava("export", str(tmp_path / "out"), "--data-dir", str(data_dir))
    assert exported.returncode == 0, exported.stderr
    again = zava("import", str(tmp_path / "out"), "--delete-missing", "--data-dir", str(data_dir))
    assert again.returncode == 0, again.stderr
    assert [line.partition("; ")[2] for line in again.stdout.splitlines()] == ["nothing new"] * 8
    one = zava("export", "stores", str(tmp_path / "stores.jsonl"), "--data-dir", str(data_dir))
    assert one.stdout == f"{tmp_path / 'stores.jsonl'}: 3 rows\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("stores",), "Which file has the stores? Say `zava import stores FILE`."),
        (("shops", "stores.csv"), "There is nothing called shops to import. Import one of business, stores"),
        (("stores", "stores.xlsx"), "stores.xlsx is neither CSV nor JSON lines: its name must end in .csv or .jsonl."),
        (("stores", "stores.csv"), "stores.csv cannot be read: No such file or directory."),
        (("nowhere",), "There is no folder nowhere."),
        ((__file__,), f"Which rows does {__file__} have? Say so, as in `zava import orders {__file__}`."),
        ((str(EXAMPLE.parent),), "has no file such as stores.csv; the names are business, stores"),
        (("stores", "stores.csv", "--column", "name"), "--column name says no name: write FIELD=NAME."),
        ((str(EXAMPLE), "--column", "name=shop"), "is a folder, and --column is for one file."),
    ],
)
def test_what_cannot_be_imported_is_refused_in_a_sentence(arguments: tuple[str, ...], said: str) -> None:
    refused = zava("import", *arguments)
    assert refused.returncode == 1
    (sentence,) = refused.stderr.splitlines()
    assert sentence.startswith("zava: ")
    assert said in sentence


def test_a_misspelt_kind_is_no_folder(tmp_path: Path) -> None:
    refused = zava("export", "ordrs", "--data-dir", str(tmp_path / "data"))
    assert refused.returncode == 1
    assert refused.stderr == (
        "zava: There is nothing called ordrs to export. Did you mean `zava export orders FILE`? If it is to be a "
        "folder, write ./ordrs.\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_customer_is_handed_over_and_forgotten(data_dir: Path, shop: Server, tmp_path: Path) -> None:
    place, file = ("--data-dir", str(data_dir)), tmp_path / "ada.json"
    done = zava("customers", "export", "ada@example.com", str(file), *place)
    assert done.stdout == f"{file}: 2 records, 2 orders, 0 texts of the audit trail\n"
    handed_over = json.loads(file.read_text(encoding="utf-8"))
    assert [record["last_name"] for record in handed_over["records"]] == ["Archer", "Archer"]
    assert file.stat().st_mode & 0o777 == 0o600
    trial = zava("customers", "erase", "ada@example.com", "--trial", *place)
    assert trial.stdout == "That was a trial. To be erased: 2 records, 2 orders, 0 texts of the audit trail.\n"
    done = zava("customers", "erase", "ada@example.com", *place)
    assert done.stdout == "Erased: 2 records, 2 orders, 0 texts of the audit trail. The orders stay as nobody's.\n"
    again = zava("customers", "erase", "ada@example.com", *place)
    assert again.returncode == 1
    assert again.stderr == "zava: Nobody is known as ada@example.com, and no text of the audit trail says so.\n"
    verified = zava("audit", "verify", *place)
    assert verified.returncode == 0, verified.stdout
    refused = zava("customers", "erase", "ada@example.com", "--data-dir", str(shop.data_dir))
    assert refused.stderr == "zava: This is the sample shop: its customers are made up, and they come again.\n"


def test_the_sample_shop_takes_no_imports(shop: Server, files: Path) -> None:
    refused = zava("import", str(files), "--data-dir", str(shop.data_dir))
    assert refused.returncode == 1
    assert "zava: This database holds the sample shop, which is made up and lives on by itself" in refused.stderr
