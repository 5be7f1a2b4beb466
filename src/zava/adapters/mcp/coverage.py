"""What an answer is about: whose stores, and how many rows. For those who keep books."""

from zava.adapters.mcp.csv_files import CsvFile
from zava.adapters.mcp.pipeline import Remembered
from zava.adapters.mcp.resources import Definitions
from zava.adapters.mcp.tools import CurrentDate
from zava.core.observations import Coverage
from zava.core.use_cases.analyze_sales import SalesAnalysis
from zava.core.use_cases.check_inventory import InventoryCheck
from zava.core.use_cases.compare_stores import StoreComparison
from zava.core.use_cases.execute_sales_query import QueryAnswer
from zava.core.use_cases.find_order import FoundOrder
from zava.core.use_cases.find_related_products import RelatedProducts
from zava.core.use_cases.get_store_performance import StorePerformance
from zava.core.use_cases.semantic_search_products import ProductSearchResult


def coverage(result: object) -> Coverage:
    """The stores and rows of a tool's result."""
    return result.coverage if isinstance(result, Remembered) else _coverage(result)


def _coverage(result: object) -> Coverage:
    """What is not listed here tells of all that the principal sees."""
    match result:
        case SalesAnalysis() | QueryAnswer():
            covered = Coverage(result.stores, result.row_count)
        case InventoryCheck():
            covered = Coverage(result.stores, len(result.products))
        case StorePerformance():
            covered = Coverage(result.store.stores)
        case StoreComparison():
            covered = Coverage(rows=len(result.rows))
        case FoundOrder(order=None):
            covered = Coverage(tuple(one.store for one in result.candidates), len(result.candidates))
        case FoundOrder(order=order) if order:
            covered = Coverage((order.store,), len(order.lines))
        case ProductSearchResult() | RelatedProducts():
            covered = Coverage(rows=len(result.products))
        case CsvFile():
            covered = Coverage(rows=result.rows)
        case str() | Definitions() | CurrentDate():
            covered = Coverage(())
        case _:
            covered = Coverage()
    return covered
