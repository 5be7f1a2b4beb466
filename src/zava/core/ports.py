"""The conversations the core holds with the world. Adapters implement them and inherit them by name."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol
from uuid import UUID

from zava.core.charts import Chart, Picture
from zava.core.imports import Batch, Imported, Kind, Rejection, Row
from zava.core.model import (
    AnalysisFigures,
    AnalysisPlan,
    AnalysisQuery,
    Backlog,
    BasketProduct,
    ChainStanding,
    DateRange,
    Directory,
    Embedding,
    EmbeddingModel,
    InventoryFindings,
    InventoryQuery,
    KnownPrincipal,
    Meaning,
    NamedProduct,
    Order,
    PerformanceFigures,
    Principal,
    ProductContent,
    ProductFilter,
    ProductMatch,
    ShopVersion,
    SimilarProduct,
    Snapshot,
    Table,
    TableSchema,
    TrendingProduct,
)
from zava.core.observations import AuditedCall, Call
from zava.core.people import EnteredPerson, GroupRole, IssuedToken, Person, TokenOrder
from zava.core.periods import Period


class StoreDirectory(Protocol):
    """Which stores are there?"""

    async def stores_of(self, principal: Principal) -> Directory:
        """The stores that this principal sees, by name.

        Raises:
            AuthorizationError: nobody active goes by this principal.
        """
        ...


class SalesRepository(Protocol):
    """What was sold?"""

    async def store_performance(
        self, principal: Principal, stores: Sequence[UUID], period: Period
    ) -> PerformanceFigures:
        """The figures of these stores together; a store the principal does not see adds nothing.

        Stock at risk is looked for when the period is recent.
        """
        ...

    async def analyze(self, principal: Principal, query: AnalysisQuery) -> AnalysisFigures:
        """The sums of each slice that has any, in no order; one more than wanted at most."""
        ...

    async def chain_standing(self, principal: Principal, days: DateRange, least_shops: int) -> Sequence[ChainStanding]:
        """Where the principal's one shop stands in the chain, by each metric that can be told.

        None unless they see one store, which is no online store; unless the days are a whole week, month, fiscal
        quarter or fiscal year that is over; and unless so many shops, theirs among them, had sales in it and in the one
        before. Fewer than three are never compared.
        """
        ...

    def explain(self, query: AnalysisQuery) -> AnalysisPlan:
        """How analyze finds them."""
        ...


class OrderRepository(Protocol):
    """What is in this order?"""

    async def find_order(self, principal: Principal, stores: Sequence[UUID], order_number: int) -> Sequence[Order]:
        """The order of this number in each of these stores that has one, the latest first.

        A store the principal does not see has none.
        """
        ...


class InventoryRepository(Protocol):
    """What is in stock, and for how long?"""

    async def check_inventory(self, principal: Principal, query: InventoryQuery) -> InventoryFindings:
        """The products at risk, the most urgent first."""
        ...


class SchemaCatalog(Protocol):
    """Which tables may be asked, and what is in them?"""

    async def tables(self, principal: Principal) -> Sequence[TableSchema]:
        """Every table and view that questions may use, by name; values as this principal sees them."""
        ...


class Sandbox(Protocol):
    """What does this SELECT of the caller's own say?"""

    async def execute_sales_query(self, principal: Principal, query: str, *, for_file: bool = False) -> Table:
        """The rows of any SELECT over the tables of SchemaCatalog, as far as the principal sees them.

        Args:
            principal: who asks.
            query: the SELECT.
            for_file: whether the answer may be as long as a file, with numbers to their last digit.

        Raises:
            InvalidQueryError: it is wrong, and PostgreSQL says how.
            QueryRefusedError: it is not admitted here.
            QueryTimeoutError: it ran longer than it may.
            QueryStoppedError: an operator stopped it.
            QueryTooLargeError: it needed more memory or disk than it may.
        """
        ...


class ProductRepository(Protocol):
    """Which products are there, and which stores have them?"""

    async def categories(self, principal: Principal) -> Sequence[str]:
        """The names of all categories, then of all kinds of product."""
        ...

    async def embedding_model(self, principal: Principal) -> EmbeddingModel | None:
        """The model whose embeddings serve; None while no model's are complete."""
        ...

    async def known_words(self, principal: Principal, words: Sequence[str]) -> Mapping[str, int]:
        """Those of these words, in lower case, that are said of products, and of how many in name, kind or category."""
        ...

    async def semantic_search(  # noqa: PLR0913 - what is sought, twice, and how much of it
        self,
        principal: Principal,
        query_description: str,
        meaning: Meaning | None,
        *,
        wanted: ProductFilter,
        similarity_threshold: float,
        max_rows: int,
    ) -> Sequence[ProductMatch]:
        """The best matches, best first: by meaning and by words, their places fused.

        Args:
            principal: whose stock is shown.
            query_description: what is sought, in words.
            meaning: the same, to the model that serves; None for a search by words alone.
            wanted: what may be shown.
            similarity_threshold: percent, for matches by meaning.
            max_rows: matches at most.
        """
        ...

    async def products_named(self, principal: Principal, product: str) -> Sequence[NamedProduct]:
        """A few products that may be meant, the likeliest first."""
        ...

    async def similar_products(
        self, principal: Principal, product_id: UUID, *, in_stock_only: bool, max_rows: int
    ) -> Sequence[SimilarProduct]:
        """Those that mean nearly the same to the model that serves, nearest first. None while no model does."""
        ...

    async def bought_together(  # noqa: PLR0913 - what, when, and how much of it
        self,
        principal: Principal,
        product_id: UUID,
        days: DateRange,
        *,
        least_support: int,
        in_stock_only: bool,
        max_rows: int,
    ) -> Sequence[BasketProduct]:
        """What orders of the principal's stores hold beside it more often than by chance, the most telling first.

        Args:
            principal: whose orders.
            product_id: the product that all of the orders hold.
            days: of the orders.
            least_support: orders with both at least; fewer say nothing.
            in_stock_only: those that one of the principal's own stores has.
            max_rows: products at most.
        """
        ...

    async def trending_products(
        self, principal: Principal, days: DateRange, previous: DateRange, *, in_stock_only: bool, max_rows: int
    ) -> Sequence[TrendingProduct]:
        """What sold better in the principal's stores than in the days before, beyond chance: the most telling first."""
        ...


class EmbeddingRepository(Protocol):
    """Which products are embedded? Asked by the operator, for the whole assortment."""

    async def begin(self, model: EmbeddingModel) -> Backlog:
        """The products that are due: without an embedding of this model, or with one of another content.

        Raises:
            SetupError: somebody else is embedding products already, or there is no place for embeddings.
        """
        ...

    async def due(self, model: EmbeddingModel, most: int) -> Sequence[ProductContent]:
        """So many of those that are due."""
        ...

    async def keep(self, model: EmbeddingModel, embedded: Sequence[tuple[ProductContent, Embedding]]) -> None:
        """Keeps these embeddings, whatever happens next."""
        ...

    async def serve(self, model: EmbeddingModel) -> None:
        """Lets searches use this model, now that every product has an embedding of it."""
        ...


class PrincipalRegistry(Protocol):
    """Who is entered, and with which API tokens? Asked by an administrator, for one thing that is done whole or not."""

    def stores(self) -> Sequence[str]:
        """The names of all stores."""
        ...

    def people(self) -> Sequence[EnteredPerson]:
        """Everybody who is entered, by name."""
        ...

    def enter(self, person: Person) -> None:
        """Enters a person, or changes what is entered of them. Whether they are disabled stays as it is."""
        ...

    def disable(self, subject: str, *, disabled: bool) -> None:
        """Makes this person nobody, or somebody again. It acts on their next question."""
        ...

    def groups(self) -> Sequence[GroupRole]:
        """Every group that is given something, by name."""
        ...

    def enter_group(self, group: GroupRole) -> None:
        """Gives a group a role, in place of what it was given before."""
        ...

    def remove_group(self, name: str) -> None:
        """Takes from a group what it was given."""
        ...

    def tokens(self) -> Sequence[IssuedToken]:
        """Every API token, in the order of their numbers."""
        ...

    def issue(self, order: TokenOrder) -> tuple[int, str]:
        """The number of a new token, and the token itself, which is kept nowhere."""
        ...

    def revoke(self, token_id: int) -> None:
        """Makes a token nobody's. It acts on the next call."""
        ...


class EmbeddingProvider(Protocol):
    """What do these texts mean?"""

    @property
    def model(self) -> EmbeddingModel:
        """The model that answers."""
        ...

    async def embed(self, texts: Sequence[str]) -> Sequence[Embedding]:
        """One embedding a text, in their order, however many there are. A text too long for the model is cut short.

        Raises:
            EmbeddingError: the provider cannot, or will not.
        """
        ...


class ChartRenderer(Protocol):
    """How does this chart look?"""

    async def draw(self, chart: Chart) -> Picture:
        """The chart as a picture.

        Raises:
            ChartError: nothing is installed that draws, or it failed.
        """
        ...


class AuditTrail(Protocol):
    """Who asked what, and what did they see?"""

    async def append(self, call: Call) -> None:
        """Writes down a call, before its answer leaves.

        Raises:
            UnavailableError: it cannot be written down, and then it must not be answered.
        """
        ...

    async def latest(self, principal: Principal, most: int) -> Sequence[AuditedCall]:
        """The latest calls of everybody, the last one first; full texts for who may see personal data.

        Raises:
            AuthorizationError: this principal does not hold the grant audit:read.
        """
        ...


class Cache(Protocol):
    """Has this been worked out before?"""

    async def get_or_compute(
        self, key: str, compute: Callable[[], Awaitable[bytes]], ttl: float | None = None
    ) -> bytes:
        """The value of this key, computed when nobody has it.

        Who asks while it is being computed waits for the same one. A computation that fails is not remembered, and all
        who wait for it get its error.

        Args:
            key: holds everything that can change the value.
            compute: works it out.
            ttl: seconds for which a new value is kept; None for as long as the cache keeps others.
        """
        ...


class ShopVersions(Protocol):
    """Is the shop still as it was?"""

    async def latest(self) -> ShopVersion:
        """The state of the shop, as the primary has it now.

        Raises:
            UnavailableError: there is no primary to tell.
        """
        ...

    async def seen_by(self, principal: Principal) -> Snapshot:
        """What this principal sees now.

        Raises:
            AuthorizationError: nobody active goes by this principal.
        """
        ...


class ImportFile(Protocol):
    """What is in this file?"""

    @property
    def kind(self) -> Kind:
        """What each of its rows is."""
        ...

    @property
    def fingerprint(self) -> str:
        """The same for the same content read in the same way, and for no other."""
        ...

    @property
    def lines(self) -> int:
        """How many lines it has."""
        ...

    def batches(self, after: int) -> Iterator[Batch]:
        """The rows after this line, in order, read and checked one by one.

        Raises:
            SetupError: the file cannot be read on.
        """
        ...


class ImportRepository(Protocol):
    """What becomes of these rows in the shop? A command's, alone in its process: nothing is asynchronous."""

    def staged_until(self, kind: Kind, fingerprint: str) -> int:
        """Up to which line a file is staged; 0 for a file that is not, and nothing of another one is left."""
        ...

    def stage(self, kind: Kind, batch: Batch) -> None:
        """Keeps rows beside the shop, for good: an interrupted import goes on after them."""
        ...

    def unstage(self, kind: Kind) -> None:
        """Forgets what is staged."""
        ...

    def staged_rows(self, kind: Kind) -> int:
        """How many rows are staged, rejected ones included."""
        ...

    def transaction(self) -> AbstractContextManager[Callable[[], None]]:
        """All that follows is done or not done. Not done when what it yields is called before the end."""
        ...

    def reject(self, kind: Kind) -> Sequence[Rejection]:
        """Leaves out staged rows that do not fit together or into the shop; all rejections, in the file's order."""
        ...

    def merge(self, kind: Kind) -> Imported:
        """Makes the shop as the staged rows say. Rows that say what is there already change nothing."""
        ...

    def remove_missing(self, kind: Kind) -> Imported:
        """Removes what the staged rows do not have, of the stores and days that they have."""
        ...


class ExportRepository(Protocol):
    """What is in the shop? An administrator's, for files that can be imported."""

    def table(self, kind: Kind) -> AbstractContextManager[tuple[Sequence[str], Iterator[Row]]]:
        """Names of the columns, as an import knows them, and the rows of all stores in the order of their keys."""
        ...


class PrincipalDirectory(Protocol):
    """Who is known?"""

    async def by_subject(self, subject: str, groups: frozenset[str] = frozenset()) -> KnownPrincipal | None:
        """Whom the identity provider calls so; None for nobody, and for who is disabled.

        Args:
            subject: who signed in.
            groups: that the identity provider has them in. They count for who was not entered, and for nobody else.
        """
        ...

    async def by_token(self, token: str) -> KnownPrincipal | None:
        """Whose API token this is; None when it is nobody's, has expired or was revoked."""
        ...
