"""Which category is meant?"""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from zava.core.checks import check_text
from zava.core.errors import NotFoundError
from zava.core.model import Principal
from zava.core.ports import ProductRepository

MOST_BYTES = 1_000
CATEGORIES_LISTED = 20


async def choose_category(products: ProductRepository, principal: Principal, name: str) -> str:
    """The category or kind of product as it is written, or the nearest in an error.

    Raises:
        ValidationError: it is no name.
        NotFoundError: there is no such category.
    """
    (chosen,) = await choose_categories(products, principal, [name])
    return chosen


async def choose_categories(products: ProductRepository, principal: Principal, names: Sequence[str]) -> tuple[str, ...]:
    """Each as `choose_category` chooses it."""
    for name in names:
        check_text("category", name, most_bytes=MOST_BYTES, empty="leave it out for all")
    known = {known.casefold(): known for known in await products.categories(principal)}
    return tuple(_chosen(known, name.strip().casefold()) for name in names)


def _chosen(known: Mapping[str, str], name: str) -> str:
    if found := known.get(name):
        return found
    longer = [one for one in known if one.startswith(name)]
    nearest = longer or get_close_matches(name[:100], known, n=1)
    suggestion = f" Did you mean {known[nearest[0]]}?" if nearest else ""
    listed = ", ".join(list(known.values())[:CATEGORIES_LISTED])
    more = f" and {len(known) - CATEGORIES_LISTED} more" if len(known) > CATEGORIES_LISTED else ""
    raise NotFoundError(f"There is no category of this name.{suggestion} There are: {listed}{more}.")
