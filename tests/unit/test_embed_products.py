"""New and changed products are embedded, batch by batch; the model serves when nothing is left, and not before."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from math import hypot

import pytest

from tests.fakes import MODEL, FakeEmbeddingRepository, FakeEmbeddings, meaning_of
from tests.tiny_shop import identify
from zava.core.errors import EmbeddingError, SetupError
from zava.core.model import Backlog, Embedding, EmbeddingModel, ProductContent
from zava.core.use_cases.embed_products import EmbedProducts, mean, texts_of

HAMMER, PAINT, ROLLER = identify("hammer"), identify("paint"), identify("roller")


@dataclass
class Provider(FakeEmbeddings):
    """Remembers what it was sent, and lets something happen before it answers.

    Attributes:
        sent: the texts of each request.
        meanwhile: is told how many requests there were before this one.
    """

    sent: list[list[str]] = field(default_factory=list)
    meanwhile: Callable[[int], None] = lambda _: None

    async def embed(self, texts: Sequence[str]) -> Sequence[Embedding]:
        self.sent.append(list(texts))
        self.meanwhile(len(self.sent) - 1)
        return await super().embed(texts)


@dataclass
class Told:
    """What the operator is told."""

    backlogs: list[Backlog] = field(default_factory=list)
    progress: list[tuple[str, int, int]] = field(default_factory=list)


def assortment(**descriptions: str) -> FakeEmbeddingRepository:
    """Products of these names."""
    repository = FakeEmbeddingRepository()
    for name, description in descriptions.items():
        repository.describe(identify(name), name, description)
    return repository


async def embed(
    repository: FakeEmbeddingRepository, provider: Provider | None = None, batch: int = 2, told: Told | None = None
) -> int:
    told = told or Told()
    return await EmbedProducts(repository, provider or Provider(), batch)(
        told.backlogs.append, lambda *progress: told.progress.append(progress)
    )


def hashes(repository: FakeEmbeddingRepository, model: EmbeddingModel = MODEL) -> set[str]:
    return {kept for (name, _), (kept, _) in repository.embeddings.items() if name == model.name}


def contents(repository: FakeEmbeddingRepository) -> set[str]:
    return {product.content_hash for product in repository.products.values()}


async def test_every_product_is_embedded_in_batches_and_then_the_model_serves() -> None:
    repository, provider, told = assortment(hammer="", paint="", roller="", nail="", glue=""), Provider(), Told()
    assert await embed(repository, provider, told=told) == 5
    assert [len(texts) for texts in provider.sent] == [2, 2, 1]
    assert hashes(repository) == contents(repository)
    assert repository.serving == MODEL
    assert told.progress == [("products", 2, 5), ("products", 4, 5), ("products", 5, 5)]


async def test_the_operator_is_told_what_lies_ahead_before_anything_is_sent() -> None:
    told = Told()
    provider = Provider(meanwhile=lambda _: told.backlogs.append(Backlog(0, 0)))
    await embed(assortment(hammer="Hits.", paint="Ä"), provider, told=told)
    bytes_of_both = len("hammer. Hits. (Tools, Tools)paint. Ä (Tools, Tools)".encode())
    assert told.backlogs == [Backlog(2, bytes_of_both), Backlog(0, 0)]


async def test_a_product_is_sent_whole_with_its_purpose_and_with_its_name_and_purpose() -> None:
    repository, provider = assortment(hammer="Drives nails. Made of steel."), Provider()
    await embed(repository, provider)
    assert provider.sent == [
        ["hammer. Drives nails. Made of steel. (Tools, Tools)", "hammer. Drives nails.", "Drives nails."]
    ]


def test_what_follows_the_second_sentence_is_a_text_of_its_own() -> None:
    description = "Drives nails. Made of steel. For pictures.\n For fences, too!"
    assert texts_of(ProductContent(HAMMER, "Hammer", description, "all that is said", "a hash")) == (
        "all that is said",
        "Hammer. Drives nails.",
        "Drives nails.",
        "For pictures. For fences, too!",
    )


@pytest.mark.parametrize(
    ("description", "purpose"),
    [
        ("Drives nails", "Drives nails"),
        ("  Drives nails!\nMade of steel.", "Drives nails!"),
        ("For 2.5 mm wire. Red.", "For 2.5 mm wire."),
        ("Sharp? Yes.", "Sharp?"),
    ],
)
def test_the_purpose_is_the_first_sentence(description: str, purpose: str) -> None:
    product = ProductContent(HAMMER, "Hammer", description, "all that is said", "a hash")
    assert texts_of(product) == ("all that is said", f"Hammer. {purpose}", purpose)


@pytest.mark.parametrize("description", ["", " \n"])
def test_a_product_without_a_description_is_one_text(description: str) -> None:
    assert texts_of(ProductContent(HAMMER, "Hammer", description, "Hammer.  (Tools, Tools)", "a hash")) == (
        "Hammer.  (Tools, Tools)",
    )


async def test_each_product_keeps_the_mean_of_its_own_texts() -> None:
    repository = assortment(hammer="For a wall.", paint="", roller="Applies colour. Of wood.")
    await embed(repository, batch=3)
    for product_id, product in repository.products.items():
        _, kept = repository.embeddings[MODEL.name, product_id]
        assert kept == mean([meaning_of(text) for text in texts_of(product)])
        assert hypot(*kept) == pytest.approx(1)


def test_the_mean_is_the_direction_between_of_length_one() -> None:
    one, other = meaning_of("hammer"), meaning_of("paint")
    between = mean([one, other])
    assert between.typecode == "f"
    assert hypot(*between) == pytest.approx(1)
    likeness = [sum(a * b for a, b in zip(between, each, strict=True)) for each in (one, other)]
    assert likeness[0] == pytest.approx(likeness[1])
    assert mean([one]) == pytest.approx(one)


def test_opposites_have_a_mean_all_the_same() -> None:
    one = meaning_of("hammer")
    opposite = mean([one])
    for place, value in enumerate(opposite):
        opposite[place] = -value
    assert list(mean([mean([one]), opposite])) == [0, 0, 0]


async def test_what_has_not_changed_is_not_sent_again() -> None:
    repository = assortment(hammer="", paint="")
    await embed(repository)
    repository.describe(PAINT, "paint", "Now in red.")
    provider, told = Provider(), Told()
    assert await embed(repository, provider, told=told) == 1
    assert provider.sent == [["paint. Now in red. (Tools, Tools)", "paint. Now in red.", "Now in red."]]
    assert told.backlogs == [Backlog(1, len("paint. Now in red. (Tools, Tools)"))]
    assert hashes(repository) == contents(repository)


@pytest.mark.parametrize("descriptions", [{}, {"hammer": ""}], ids=["no products", "all embedded"])
async def test_when_nothing_is_due_the_model_serves_and_the_provider_is_not_asked(descriptions: dict[str, str]) -> None:
    repository = assortment(**descriptions)
    await embed(repository)
    repository.serving = EmbeddingModel("older", 3)
    provider = Provider(failure=EmbeddingError("the embedding provider does not answer"))
    assert await embed(repository, provider) == 0
    assert (provider.sent, repository.serving) == ([], MODEL)


async def test_products_that_come_meanwhile_are_embedded_before_the_model_serves() -> None:
    repository = assortment(hammer="", paint="")

    def meanwhile(before: int) -> None:
        assert repository.serving is None
        if before == 0:
            repository.describe(ROLLER, "roller", "")

    told = Told()
    assert await embed(repository, Provider(meanwhile=meanwhile), told=told) == 3
    assert hashes(repository) == contents(repository)
    assert len(hashes(repository)) == 3
    # The total grows with them: a bar never shows more than all.
    assert told.progress == [("products", 2, 2), ("products", 3, 3)]


async def test_a_product_that_changes_while_it_is_embedded_is_embedded_again_and_that_ends() -> None:
    repository = assortment(hammer="", paint="")

    def meanwhile(before: int) -> None:
        if before < 2:
            repository.describe(HAMMER, "hammer", f"Change {before}.")

    provider = Provider(meanwhile=meanwhile)
    assert await embed(repository, provider) == 4
    assert [texts[0] for texts in provider.sent[1:]] == [
        "hammer. Change 0. (Tools, Tools)",
        "hammer. Change 1. (Tools, Tools)",
    ]
    assert hashes(repository) == contents(repository)
    assert repository.serving == MODEL


async def test_a_product_that_goes_while_it_is_embedded_is_forgotten_and_that_ends() -> None:
    repository = assortment(hammer="", paint="")
    provider = Provider(meanwhile=lambda _: repository.remove(HAMMER))
    await embed(repository, provider)
    assert len(provider.sent) == 1
    assert list(repository.embeddings) == [(MODEL.name, PAINT)]


async def test_a_failure_keeps_what_is_done_and_the_model_does_not_serve() -> None:
    repository = assortment(hammer="", paint="", roller="", nail="", glue="")
    older = repository.serving = EmbeddingModel("older", 3)
    provider = Provider()

    def fail(before: int) -> None:
        if before == 1:
            provider.failure = EmbeddingError("the embedding provider failed (status 500)")

    provider.meanwhile = fail
    with pytest.raises(EmbeddingError):
        await embed(repository, provider)
    assert (len(hashes(repository)), repository.serving) == (2, older)

    rest, told = Provider(), Told()
    assert await embed(repository, rest, told=told) == 3
    assert (rest.asked, repository.serving) == (3, MODEL)
    assert [backlog.products for backlog in told.backlogs] == [3]


async def test_while_another_embeds_nothing_is_announced_or_sent() -> None:
    repository, provider, told = assortment(hammer=""), Provider(), Told()
    repository.busy = True
    with pytest.raises(SetupError):
        await embed(repository, provider, told=told)
    assert (provider.sent, told) == ([], Told())


async def test_another_model_embeds_everything_anew_while_the_old_one_serves() -> None:
    repository = assortment(hammer="", paint="")
    await embed(repository)
    newer = replace(MODEL, name="newer")
    served: list[EmbeddingModel | None] = []
    provider = Provider(of=newer, meanwhile=lambda _: served.append(repository.serving))
    assert await embed(repository, provider, batch=1) == 2
    assert (served, repository.serving) == ([MODEL, MODEL], newer)
    assert hashes(repository) == hashes(repository, newer) == contents(repository)
