-- Which groups of the identity provider are given something, and what?
SELECT
    given.group_name AS name,
    given.role,
    ARRAY(
        SELECT store.name
        FROM access.group_stores AS seen
        INNER JOIN retail.stores AS store ON seen.store_id = store.store_id
        WHERE seen.group_name = given.group_name
    ) AS stores,
    given.scopes
FROM access.group_roles AS given
ORDER BY given.group_name
