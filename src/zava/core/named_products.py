"""Which product is meant?"""

from zava.core.checks import check_text
from zava.core.errors import NotFoundError
from zava.core.model import NamedProduct, Principal
from zava.core.ports import ProductRepository

LONGEST_PRODUCT = 200


async def choose_product(products: ProductRepository, principal: Principal, product: str) -> NamedProduct:
    """The one product of this name or SKU, or with all of these words.

    Raises:
        ValidationError: it is no name.
        NotFoundError: there is none, or there are several.
    """
    check_text("product", product, most_bytes=LONGEST_PRODUCT, empty="name the product or its SKU")
    found = await products.products_named(principal, product)
    if found and (found[0].exact or len(found) == 1):
        return found[0]
    if not found:
        raise NotFoundError("There is no such product. semantic_search_products finds one by what it is for.")
    candidates = "; ".join(f"{one.name} ({one.sku})" for one in found)
    raise NotFoundError(f"Several products may be meant. Name one of them, or its SKU: {candidates}.")
