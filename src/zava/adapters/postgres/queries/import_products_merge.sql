-- Which products are there, by their SKUs? Categories and types that are not there yet come with them.
INSERT INTO retail.categories (name)
SELECT DISTINCT staged.category
FROM retail.staged_products AS staged
WHERE NOT EXISTS (SELECT FROM retail.categories AS known WHERE known.name = staged.category);

INSERT INTO retail.product_types (category_id, name)
SELECT DISTINCT category.category_id, staged.product_type
FROM retail.staged_products AS staged
INNER JOIN retail.categories AS category ON staged.category = category.name
WHERE NOT EXISTS (
    SELECT FROM retail.product_types AS known
    WHERE known.category_id = category.category_id AND known.name = staged.product_type
);

WITH said AS (
    SELECT
        known.product_id,
        staged.name,
        coalesce(staged.description, known.description) AS description,
        product_type.product_type_id,
        staged.cost,
        staged.base_price,
        coalesce(staged.pack_size, known.pack_size) AS pack_size,
        coalesce(staged.supplier_lead_days, known.supplier_lead_days) AS supplier_lead_days,
        coalesce(staged.discontinued, known.discontinued) AS discontinued
    FROM retail.staged_products AS staged
    INNER JOIN retail.products AS known ON staged.sku = known.sku
    INNER JOIN retail.categories AS category ON staged.category = category.name
    INNER JOIN retail.product_types AS product_type
        ON category.category_id = product_type.category_id AND staged.product_type = product_type.name
),

changed AS (
    UPDATE retail.products AS known
    SET
        name = said.name,
        description = said.description,
        product_type_id = said.product_type_id,
        cost = said.cost,
        base_price = said.base_price,
        pack_size = said.pack_size,
        supplier_lead_days = said.supplier_lead_days,
        discontinued = said.discontinued
    FROM said
    WHERE known.product_id = said.product_id
        AND (
            said.name, said.description, said.product_type_id, said.cost, said.base_price, said.pack_size,
            said.supplier_lead_days, said.discontinued
        ) IS DISTINCT FROM (
            known.name, known.description, known.product_type_id, known.cost, known.base_price, known.pack_size,
            known.supplier_lead_days, known.discontinued
        )
    RETURNING 1
)

SELECT 'changed', count(*) FROM changed;

WITH added AS (
    INSERT INTO retail.products (
        sku, name, description, product_type_id, cost, base_price, pack_size, supplier_lead_days, discontinued
    )
    SELECT
        staged.sku,
        staged.name,
        coalesce(staged.description, ''),
        product_type.product_type_id,
        staged.cost,
        staged.base_price,
        coalesce(staged.pack_size, 1),
        coalesce(staged.supplier_lead_days, 7),
        coalesce(staged.discontinued, false)
    FROM retail.staged_products AS staged
    INNER JOIN retail.categories AS category ON staged.category = category.name
    INNER JOIN retail.product_types AS product_type
        ON category.category_id = product_type.category_id AND staged.product_type = product_type.name
    WHERE NOT EXISTS (SELECT FROM retail.products AS known WHERE known.sku = staged.sku)
    RETURNING 1
)

SELECT 'new', count(*) FROM added;
