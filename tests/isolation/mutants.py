"""Mistakes that somebody could make in a policy, a view or a function: the oracle must notice each."""

from dataclasses import dataclass

from tests.isolation.boundary_shop import MANAGER, REGION, STORELESS
from tests.tiny_shop import PersonRow


@dataclass(frozen=True)
class Mutant:
    """A change of the schema for the worse.

    Attributes:
        person: who would see too much, or too little.
    """

    name: str
    person: PersonRow
    change: str


MUTANTS = (
    Mutant("a policy that admits all", MANAGER, "ALTER POLICY one_store ON retail.order_items USING (true)"),
    Mutant("row security forgotten", REGION, "ALTER TABLE retail.orders DISABLE ROW LEVEL SECURITY"),
    Mutant("a policy dropped", MANAGER, "DROP POLICY one_store ON retail.store_targets"),
    Mutant(
        "a policy about the wrong column",
        REGION,
        "ALTER POLICY own_stores ON retail.inventory USING (product_id IN (SELECT product_id FROM retail.order_items))",
    ),
    Mutant(
        "a policy that forgets who has no stores",
        STORELESS,
        """
        ALTER POLICY one_store ON retail.returns
        USING (store_id = (SELECT access.my_store()) OR (SELECT access.my_store()) IS NULL)
        """,
    ),
    Mutant(
        "a second policy, which widens the first",
        MANAGER,
        "CREATE POLICY orders_online ON retail.orders FOR SELECT TO zava_sandbox USING (customer_id IS NULL)",
    ),
    Mutant(
        "a policy for all stores that serves some as well",
        REGION,
        "ALTER POLICY all_stores ON retail.store_targets TO zava_sandbox_all, zava_sandbox_some USING (true)",
    ),
    Mutant(
        "a region that is taken for all of them",
        REGION,
        """
        CREATE OR REPLACE FUNCTION access.my_stores() RETURNS uuid[]
        LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp
        AS $$ BEGIN
            IF (access.context())[2] = 'store_manager' THEN
                RETURN (access.context())[3]::uuid[];
            END IF;
            RETURN ARRAY(SELECT store_id FROM retail.stores);
        END $$
        """,
    ),
    Mutant(
        "customers unmasked for everybody",
        REGION,
        """
        CREATE OR REPLACE VIEW retail.customers WITH (security_barrier) AS
        SELECT store_id, customer_id, first_name, last_name, email, created_at FROM retail.customer_records
        """,
    ),
    Mutant("a view whose owner sees everything", MANAGER, "ALTER VIEW retail.customers OWNER TO zava_owner"),
    Mutant(
        "arithmetic that may run before a policy does",
        REGION,
        """
        DO $$
        BEGIN
            EXECUTE (
                SELECT string_agg(DISTINCT format('ALTER FUNCTION %s LEAKPROOF', oprcode::regprocedure), '; ')
                FROM pg_operator
                WHERE oprleft IN ('integer'::regtype, 'numeric'::regtype) AND oprright = oprleft
            );
        END
        $$
        """,
    ),
)
