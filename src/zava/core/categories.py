"""Which category is meant?"""

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
    check_text("category", name, most_bytes=MOST_BYTES, empty="leave it out for all")
    known = {known.casefold(): known for known in await products.categories(principal)}
    if found := known.get(name.strip().casefold()):
        return found
    nearest = get_close_matches(name.casefold()[:100], known, n=1)
    suggestion = f" Did you mean {known[nearest[0]]}?" if nearest else ""
    listed = ", ".join(list(known.values())[:CATEGORIES_LISTED])
    raise NotFoundError(f"There is no category of this name.{suggestion} There are: {listed}.")
