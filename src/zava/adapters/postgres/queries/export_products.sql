-- Which products are there?
SELECT
    product.sku,
    product.name,
    product.description,
    category.name AS category,
    product_type.name AS product_type,
    product.base_price,
    product.cost,
    product.pack_size,
    product.supplier_lead_days,
    product.discontinued
FROM retail.products AS product
INNER JOIN retail.product_types AS product_type ON product.product_type_id = product_type.product_type_id
INNER JOIN retail.categories AS category ON product_type.category_id = category.category_id
ORDER BY product.sku;
