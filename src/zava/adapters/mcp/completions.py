"""What a client may offer while somebody fills in an argument of a prompt or of a resource's URI."""

from collections.abc import Sequence
from dataclasses import dataclass

from fastmcp import FastMCP
from mcp_types import CompletionArgument, CompletionContext, PromptReference, ResourceTemplateReference

from zava.adapters.mcp.pipeline import Pipeline, ToolSpec
from zava.adapters.mcp.refusals import answer_or_refuse
from zava.core.model import Principal
from zava.core.periods import NAMES
from zava.core.ports import ProductRepository, SchemaCatalog, StoreDirectory
from zava.core.scopes import SALES_QUERY, SALES_READ

# Of the prompts and of the resource that have these arguments. Anybody may know their stores, and the calendar.
SCOPES_NEEDED = {"category": SALES_READ, "table": SALES_QUERY}


@dataclass(frozen=True)
class RetailCompletions:
    """Values by the name of the argument, which means the same wherever it stands."""

    directory: StoreDirectory
    products: ProductRepository
    catalog: SchemaCatalog

    async def complete(self, principal: Principal, argument: str, value: str) -> tuple[str, ...]:
        """What the caller may mean who has begun to write this value."""
        begun = value.strip().casefold()
        # Some categories have a kind of product of the same name.
        known = dict.fromkeys(await self._known(principal, argument))
        return tuple(one for one in known if one.casefold().startswith(begun))

    async def _known(self, principal: Principal, argument: str) -> Sequence[str]:
        match argument:
            case "store":
                return [store.name for store in (await self.directory.stores_of(principal)).stores]
            case "category":
                return await self.products.categories(principal)
            case "period":
                return NAMES
            case "month":
                return ("this_month", "last_month")
            case "table":
                return [table.name for table in await self.catalog.tables(principal)]
            case _:
                return ()

    def spec(self) -> ToolSpec[tuple[str, ...]]:
        """All completion, as the pipeline takes it."""
        return ToolSpec(
            self.complete,
            title="Completion",
            scope_of=lambda _, arguments: SCOPES_NEEDED.get(arguments["argument"]),
            text=", ".join,
        )


def complete_with(server: FastMCP, completions: ToolSpec[tuple[str, ...]], pipeline: Pipeline) -> None:
    """Lets the server complete arguments. FastMCP sends the first hundred values, and says how many there are."""

    async def complete(
        reference: PromptReference | ResourceTemplateReference,  # noqa: ARG001 - an argument means the same everywhere
        argument: CompletionArgument,
        context: CompletionContext | None,  # noqa: ARG001
    ) -> tuple[str, ...]:
        said = {"argument": argument.name, "value": argument.value}
        values: tuple[str, ...] = (await answer_or_refuse(pipeline, completions, said)).result
        return values

    server.add_completion_handler(complete)
