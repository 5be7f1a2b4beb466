"""Which tools somebody may use at all. What they see with them is decided by the database."""

# Figures of sales and stock, by tools that say what is counted how.
SALES_READ = "sales:read"
# Queries of the caller's own, and the tables for them.
SALES_QUERY = "sales:query"
# The assortment, without figures of sales.
PRODUCTS_READ = "products:read"
# Who asked what.
AUDIT_READ = "audit:read"

SCOPES = frozenset((SALES_READ, SALES_QUERY, PRODUCTS_READ, AUDIT_READ))
