"""Which products do this? Found by meaning and by words."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal

from zava.core.categories import choose_category
from zava.core.checks import check_range, check_text
from zava.core.errors import EmbeddingError
from zava.core.model import Meaning, Principal, ProductFilter, ProductMatch
from zava.core.ports import EmbeddingProvider, ProductRepository
from zava.core.readings import make_do
from zava.core.spelling import alike, corrected, strange_words

LONGEST_DESCRIPTION = 1_000
MOST_ROWS = 100
MEANING_AND_WORDS = "meaning and words"


@dataclass(frozen=True, slots=True)
class ProductSearchResult:
    """Products, best match first.

    Attributes:
        engine: how they were found: "meaning and words", or "words only, because …".
        read_as: the description as it was searched for, when words in it were misspelled; null otherwise.
    """

    engine: str
    read_as: str | None
    products: tuple[ProductMatch, ...]


@dataclass(frozen=True)
class SemanticSearchProducts:
    """Decides how to search: by meaning too, or, when that is not possible, by words alone, and then says so.

    Attributes:
        providers: of embeddings; the one whose model serves is asked.
        ordinary_words: in lower case; none of them is misspelled.
    """

    products: ProductRepository
    providers: Sequence[EmbeddingProvider]
    ordinary_words: Collection[str]

    async def __call__(  # noqa: PLR0913 - as callers may ask
        self,
        principal: Principal,
        query_description: str,
        *,
        max_rows: int = 20,
        similarity_threshold: float = 30,
        category: str | None = None,
        in_stock_only: bool = False,
        max_price: Decimal | None = None,
    ) -> ProductSearchResult:
        """The products that answer this description.

        Raises:
            ValidationError: the text or a number is out of bounds.
            NotFoundError: there is no such category.
        """
        check_text(
            "query_description",
            query_description,
            most_bytes=LONGEST_DESCRIPTION,
            empty="say what is sought, in a few words",
        )
        check_range("max_rows", max_rows, 1, MOST_ROWS)
        check_range("similarity_threshold", similarity_threshold, 0, 100)
        wanted = ProductFilter(
            await choose_category(self.products, principal, category) if category is not None else None,
            in_stock_only,
            max_price,
        )
        read_as = await self._read(principal, query_description)
        meaning, engine = await self._mean(principal, read_as)
        matches = await self.products.semantic_search(
            principal,
            read_as,
            meaning,
            wanted=wanted,
            similarity_threshold=similarity_threshold,
            max_rows=max_rows,
        )
        return ProductSearchResult(engine, read_as if read_as != query_description else None, tuple(matches))

    async def _read(self, principal: Principal, text: str) -> str:
        """The text as it is meant: with misspelled words as products have them."""
        strange = strange_words(text, self.ordinary_words)
        if not strange:
            return text
        known = await self.products.known_words(principal, [*strange, *set[str]().union(*map(alike, strange))])
        return corrected(text, strange, known)

    async def _mean(self, principal: Principal, text: str) -> tuple[Meaning | None, str]:
        """What the text means to the model that serves, and the engine that this makes possible."""
        model = await self.products.embedding_model(principal)
        provider = next((provider for provider in self.providers if provider.model == model), None)
        if not self.providers:
            reason = "this server has no embedding provider"
        elif model is None:
            reason = "the products have not been embedded yet"
        elif provider is None:
            reason = f"the products are embedded with {model}, which this server is not set to use"
        else:
            try:
                (embedding,) = await provider.embed([text])
            except EmbeddingError as error:
                make_do()
                reason = error.message
            else:
                return Meaning(provider.model, embedding), MEANING_AND_WORDS
        return None, f"words only, because {reason}"
