"""The documents say what is there: places, settings, links."""

import re
from pathlib import Path

import pytest

from tests.reference import all_settings
from zava.adapters.postgres.layers import LAYERS
from zava.demo.catalogue import read_catalogue

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    path.relative_to(ROOT).as_posix()
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("schema/*.md"))
]
SETTINGS = "docs/reference/settings.md"
INDEX = "docs/README.md"
ARCHITECTURE = "docs/architecture.md"
TEXTBOOK = "docs/decisions/0001-from-the-textbook.md"

# Files that the walks of CONTRIBUTING.md add.
OF_A_WALK = {
    "src/zava/adapters/embeddings/hashed.py",
    "src/zava/core/use_cases/list_stores.py",
    "tests/contract/test_deliveries.py",
    "tests/contract/test_hashed_embeddings.py",
    "tests/unit/test_list_stores.py",
}

PLACE = re.compile(r"`((?:src|schema|tests|docs)/[^`:]+)(?::(\w+))?`")
FILE = re.compile(r"(?<![\w/.])(?:src|schema|tests|docs|adapters|core|commands)/[\w./*-]*\.(?:py|sql|md)\b")
LINK = re.compile(r"\]\(([^)\s]+)\)")
VARIABLE = re.compile(r"\bZAVA_[A-Z_]*[A-Z]\b")
SKU = re.compile(r"\b[A-Z]{3,4}-[A-Z]{4}-\d{3}\b")
MACHINE_PATH = re.compile(r"(?<![\w~.-])/(?:work|root|home|tmp|mnt|Users)\b")
REGISTRY = re.compile(r"pypi\.org|pythonhosted|registry\.npmjs|--index-url", re.IGNORECASE)


def read(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def anchors_of(document: str) -> set[str]:
    """What `#…` may lead to: headings, as they are named in a link."""
    prose = re.sub(r"^```.*?^```", "", read(document), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def leads_somewhere(link: str, document: str) -> bool:
    target, _, anchor = link.partition("#")
    path = (ROOT / document).parent / target if target else ROOT / document
    if not path.resolve().is_relative_to(ROOT) or not path.exists():
        return False
    return not anchor or anchor in anchors_of(path.resolve().relative_to(ROOT).as_posix())


def test_the_documents_are_found() -> None:
    assert {"README.md", SETTINGS, TEXTBOOK, "schema/README.md"} <= set(DOCUMENTS)


def test_every_place_of_the_textbook_is_there() -> None:
    places = PLACE.findall(read(TEXTBOOK))
    assert len(places) > 50
    missing = [
        f"{path}:{symbol}"
        for path, symbol in places
        if not (ROOT / path).is_file() or (symbol and not re.search(rf"\b{symbol}\b", read(path)))
    ]
    assert missing == []


def test_every_row_of_the_textbook_names_a_place_or_a_reason() -> None:
    rows = [line.strip("| ").split(" | ") for line in read(TEXTBOOK).splitlines() if line.startswith("| ")]
    answers = [answer for name, answer in rows if name != "textbook"]
    assert len(answers) > 50
    reasons = ("**to come**", "replaced", "kept", "not made", "the same function", "rows, not roles")
    unclear = [answer for answer in answers if not PLACE.search(answer) and not any(word in answer for word in reasons)]
    assert unclear == []


def test_the_index_leads_to_every_document() -> None:
    led_to = {
        (ROOT / "docs" / link.partition("#")[0]).resolve().relative_to(ROOT) for link in LINK.findall(read(INDEX))
    }
    documents = {path.relative_to(ROOT) for path in ROOT.glob("docs/**/*.md")} - {Path(INDEX)}
    assert sorted(documents - led_to) == []


def test_each_hop_of_a_call_is_where_the_architecture_says() -> None:
    hops = re.findall(r"^\| \d \| `([^`]+)` \| `([^`]+)`", read(ARCHITECTURE), re.MULTILINE)
    assert len(hops) == 4
    # Port and adapter are a class and its method.
    missing = [
        (path, name)
        for path, names in hops
        for name in names.split(".")
        if not re.search(rf"^ *(?:class|async def|def) {name}\b", read(path), re.MULTILINE)
    ]
    assert missing == []


def test_each_port_that_the_architecture_names_has_the_adapters_and_the_fake_that_it_names() -> None:
    rows = re.findall(r"^\| `(\w+)` \| [^|]+\? \|([^|]*)\|([^|]*)\|$", read(ARCHITECTURE), re.MULTILINE)
    ports = re.findall(r"^class (\w+)\(Protocol\)", read("src/zava/core/ports.py"), re.MULTILINE)
    assert sorted(port for port, _, _ in rows) == sorted(ports)
    program = "".join(path.read_text(encoding="utf-8") for path in ROOT.glob("src/zava/**/*.py"))
    fakes = read("tests/fakes.py")
    for _, adapters, fake in rows:
        assert [name for name in re.findall(r"`(\w+)`", adapters) if f"class {name}" not in program] == []
        assert [name for name in re.findall(r"`(\w+)`", fake) if f"class {name}" not in fakes] == []


def test_a_walk_of_contributing_names_at_most_four_files_of_the_program() -> None:
    walks = re.findall(r"^### Add an? \w+\n(.*?)(?=^##)", read("CONTRIBUTING.md"), re.MULTILINE | re.DOTALL)
    assert len(walks) == 4
    for walk in walks:
        named = re.findall(r"^\d\. \*\*(?:A file in )?`(?:src|schema)/", walk, re.MULTILINE)
        assert 1 <= len(named) <= 4


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_file_that_a_document_names_is_there(document: str) -> None:
    named = set(FILE.findall(read(document))) - (OF_A_WALK if document == "CONTRIBUTING.md" else set())
    # The picture of a call leaves out where the package begins.
    missing = [name for name in named if not any(any(start.glob(name)) for start in (ROOT, ROOT / "src" / "zava"))]
    assert missing == []


def test_the_readme_shows_the_answer_that_the_tutorial_does() -> None:
    """The tutorial's is tried: by tests/e2e/test_command_blocks.py."""
    (shown,) = re.findall(r"^```text\n(Seattle, .*?)^```", read("README.md"), re.MULTILINE | re.DOTALL)
    tried = read("docs/tutorial.md").splitlines()
    assert [line for line in shown.splitlines() if "…" not in line and line not in tried] == []


def test_each_layer_that_the_doctor_names_is_explained() -> None:
    explained = re.findall(r"^\| ([^|]+?) \| `(?:FAIL|weak)`", read("docs/operations.md"), re.MULTILINE)
    assert [layer.name for layer in LAYERS if layer.name not in explained] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_document_names_no_unknown_variable(document: str) -> None:
    assert set(VARIABLE.findall(read(document))) <= all_settings().keys()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_relative_links_resolve(document: str) -> None:
    links = [link for link in LINK.findall(read(document)) if "://" not in link]
    assert [link for link in links if not leads_somewhere(link, document)] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_document_tells_nothing_of_the_machine_it_was_written_on(document: str) -> None:
    # Every container has that one.
    text = read(document).replace("--tmpfs /tmp", "")
    assert MACHINE_PATH.findall(text) + REGISTRY.findall(text) == []


def test_every_product_that_is_named_is_sold_in_the_sample_shop() -> None:
    sold = {product.sku for product in read_catalogue().products}
    named = [(document, sku) for document in DOCUMENTS for sku in SKU.findall(read(document))]
    tools = "src/zava/adapters/mcp/tools.py"
    named += [(tools, sku) for sku in SKU.findall(read(tools))]
    assert {tools, "README.md"} <= {place for place, _ in named}
    assert [place for place in named if place[1] not in sold] == []
