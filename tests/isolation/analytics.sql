-- What store managers, regional managers and head office ask, as an assistant writes it: each query after a line that
-- names it. The answer of each is a definite bag of rows, on every PostgreSQL that is promised.

-- name: How much did we turn over in June 2026?
SELECT count(*) AS orders, sum(total_amount) AS revenue, round(avg(total_amount), 2) AS average_order
FROM orders
WHERE status <> 'cancelled' AND order_date BETWEEN '2026-06-01' AND '2026-06-30';

-- name: Which stores do you see?
SELECT name, location, region, is_online, opened_on FROM retail.stores ORDER BY opened_on, name

-- name: What are the departments?
TABLE categories

-- name: Settings of the business
SELECT time_zone, currency, CASE week_starts_on WHEN 1 THEN 'Monday' WHEN 7 THEN 'Sunday' ELSE 'another day' END AS week_starts
FROM retail.business_settings;

-- name: A sum without any table
SELECT 2 + 2 AS four, 'a' || 'b' AS text, round(100.0 / 3, 2) AS third, current_date IS NOT NULL AS has_today;

-- name: Revenue by month of 2025
SELECT date_trunc('month', order_date)::date AS month,
       COUNT(*) AS orders,
       SUM(total_amount) AS revenue
FROM retail.orders
WHERE order_date >= DATE '2025-01-01' AND order_date < DATE '2026-01-01'
  AND status <> 'cancelled'
GROUP BY 1
ORDER BY 1;

-- name: Revenue of each month of 2025 even if nothing was sold
WITH RECURSIVE months AS (
    SELECT DATE '2025-01-01' AS month
    UNION ALL
    SELECT (month + INTERVAL '1 month')::date FROM months WHERE month < DATE '2025-12-01'
)
SELECT to_char(m.month, 'Mon YYYY') AS month, COALESCE(SUM(o.total_amount), 0) AS revenue
FROM months m
LEFT JOIN retail.orders o
    ON o.order_date >= m.month AND o.order_date < (m.month + INTERVAL '1 month')::date AND o.status <> 'cancelled'
GROUP BY m.month
ORDER BY m.month;

-- name: Days of June without any order
SELECT day::date AS quiet_day, to_char(day, 'FMDay') AS weekday
FROM generate_series(timestamp '2026-06-01', timestamp '2026-06-29', interval '1 day') AS day
WHERE NOT EXISTS (SELECT 1 FROM orders o WHERE o.order_date = day::date)
ORDER BY day;

-- name: Revenue by weekday, Monday first
select extract(isodow from order_date)::int as weekday_no, to_char(order_date, 'Dy') as weekday,
       count(*) as orders, sum(total_amount) as revenue, round(avg(total_amount), 2) as basket
from orders
where status != 'cancelled' and order_date >= '2025-07-01'
group by 1, 2
order by 1

-- name: Orders by hour of the local day
SELECT extract(hour FROM ordered_at AT TIME ZONE 'America/Los_Angeles')::int AS hour, count(*) AS orders
FROM retail.orders
WHERE status <> 'cancelled'
GROUP BY hour
ORDER BY hour;

-- name: Orders by hour in the time zone of the business
SELECT date_part('hour', o.ordered_at AT TIME ZONE b.time_zone) AS hour, COUNT(*) AS orders,
       repeat('#', (COUNT(*) / 10)::int) AS bar
FROM retail.orders o CROSS JOIN retail.business_settings b
GROUP BY 1
ORDER BY 1;

-- name: Heatmap of weekday and part of day
SELECT to_char(order_date, 'ID') AS weekday,
       count(*) FILTER (WHERE local_hour < 12) AS morning,
       count(*) FILTER (WHERE local_hour >= 12 AND local_hour < 17) AS afternoon,
       count(*) FILTER (WHERE local_hour >= 17) AS evening
FROM (
    SELECT order_date, extract(hour FROM timezone('America/Los_Angeles', ordered_at)) AS local_hour
    FROM retail.orders
    WHERE status <> 'cancelled'
) AS local
GROUP BY weekday
ORDER BY weekday;

-- name: Revenue by month and store as a crosstab of quarters
SELECT s.name AS store,
       SUM(o.total_amount) FILTER (WHERE extract(quarter FROM o.order_date) = 1) AS q1,
       SUM(o.total_amount) FILTER (WHERE extract(quarter FROM o.order_date) = 2) AS q2,
       SUM(o.total_amount) FILTER (WHERE extract(quarter FROM o.order_date) = 3) AS q3,
       SUM(o.total_amount) FILTER (WHERE extract(quarter FROM o.order_date) = 4) AS q4,
       SUM(o.total_amount) AS "Year 2025"
FROM retail.orders o
JOIN retail.stores s USING (store_id)
WHERE o.order_date BETWEEN '2025-01-01' AND '2025-12-31' AND o.status <> 'cancelled'
GROUP BY s.store_id
ORDER BY s.name;

-- name: Seven-day moving average of revenue in the second quarter
WITH daily AS (
    SELECT d::date AS day, COALESCE(SUM(o.total_amount), 0) AS revenue
    FROM generate_series(DATE '2026-04-01', DATE '2026-06-30', INTERVAL '1 day') d
    LEFT JOIN retail.orders o ON o.order_date = d::date AND o.status <> 'cancelled'
    GROUP BY d
)
SELECT day, revenue,
       ROUND(AVG(revenue) OVER (ORDER BY day ROWS BETWEEN 6 PRECEDING AND CURRENT ROW), 2) AS moving_average
FROM daily
ORDER BY day;

-- name: Sum over the 28 days before each order day, by a range frame
SELECT order_date, sum(total_amount) AS revenue,
       sum(sum(total_amount)) OVER (
           ORDER BY order_date RANGE BETWEEN INTERVAL '27 days' PRECEDING AND CURRENT ROW
       ) AS last_28_days
FROM orders
WHERE order_date >= '2026-01-01' AND status <> 'cancelled'
GROUP BY order_date
ORDER BY order_date

-- name: Running total of the year by month with share of the year
SELECT month, revenue,
       sum(revenue) OVER w AS year_to_date,
       round(100 * sum(revenue) OVER w / sum(revenue) OVER (), 1) AS percent_of_year
FROM (
    SELECT date_trunc('month', order_date)::date AS month, sum(total_amount) AS revenue
    FROM retail.orders
    WHERE extract(year FROM order_date) = 2025 AND status <> 'cancelled'
    GROUP BY 1
) AS monthly
WINDOW w AS (ORDER BY month ROWS UNBOUNDED PRECEDING)
ORDER BY month;

-- name: Year over year by month
WITH monthly AS (
    SELECT extract(year FROM order_date)::int AS year, extract(month FROM order_date)::int AS month,
           sum(total_amount) AS revenue
    FROM retail.orders
    WHERE status <> 'cancelled'
    GROUP BY 1, 2
)
SELECT this.month, last.revenue AS revenue_2024, this.revenue AS revenue_2025,
       round((this.revenue - last.revenue) * 100.0 / nullif(last.revenue, 0), 1) AS change_percent
FROM monthly AS this
LEFT JOIN monthly AS last ON last.month = this.month AND last.year = this.year - 1
WHERE this.year = 2025
ORDER BY this.month;

-- name: Year over year with lag of twelve months
WITH monthly AS (
    SELECT date_trunc('month', order_date)::date AS month, SUM(total_amount) AS revenue
    FROM retail.orders WHERE status <> 'cancelled' GROUP BY 1
)
SELECT month, revenue,
       LAG(revenue, 12) OVER (ORDER BY month) AS a_year_before,
       revenue - LAG(revenue, 12, 0.0) OVER (ORDER BY month) AS difference,
       ROUND(revenue / NULLIF(LAG(revenue) OVER (ORDER BY month), 0), 3) AS to_month_before
FROM monthly
ORDER BY month DESC
LIMIT 24;

-- name: First half of 2026 against the first half of 2025
SELECT CASE WHEN order_date < '2026-01-01' THEN 'H1 2025' ELSE 'H1 2026' END AS half,
       count(*) AS orders, count(DISTINCT customer_id) AS customers, sum(total_amount) AS revenue
FROM retail.orders
WHERE (order_date BETWEEN '2025-01-01' AND '2025-06-30' OR order_date BETWEEN '2026-01-01' AND '2026-06-30')
  AND status IN ('paid', 'shipped', 'completed')
GROUP BY 1
ORDER BY 1;

-- name: Best and worst month of each year
WITH m AS (
    SELECT extract(year FROM order_date) AS year, to_char(order_date, 'TMMonth') AS month, sum(total_amount) AS revenue
    FROM orders WHERE status <> 'cancelled'
    GROUP BY 1, 2
)
SELECT DISTINCT year,
       first_value(month) OVER w AS best_month, first_value(revenue) OVER w AS best,
       last_value(month) OVER w AS worst_month, last_value(revenue) OVER w AS worst,
       nth_value(month, 2) OVER w AS second_best
FROM m
WINDOW w AS (PARTITION BY year ORDER BY revenue DESC, month RANGE BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
ORDER BY year;

-- name: Median and percentiles of order value by year
SELECT extract(year FROM order_date)::int AS year,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY total_amount) AS median,
       percentile_disc(0.9) WITHIN GROUP (ORDER BY total_amount) AS p90,
       percentile_cont(ARRAY[0.25, 0.5, 0.75]) WITHIN GROUP (ORDER BY total_amount) AS quartiles
FROM retail.orders
WHERE status <> 'cancelled'
GROUP BY 1
ORDER BY 1;

-- name: The most common number of lines of an order
SELECT mode() WITHIN GROUP (ORDER BY lines) AS most_common, avg(lines)::numeric(6, 2) AS average, max(lines) AS most
FROM (SELECT count(*) AS lines FROM retail.order_items GROUP BY store_id, order_id) AS sizes;

-- name: Where would an order of 100 dollars rank?
SELECT rank(100) WITHIN GROUP (ORDER BY total_amount DESC) AS rank,
       dense_rank(100) WITHIN GROUP (ORDER BY total_amount DESC) AS dense_rank,
       round(percent_rank(100) WITHIN GROUP (ORDER BY total_amount)::numeric, 4) AS percent_rank,
       round(cume_dist(100) WITHIN GROUP (ORDER BY total_amount)::numeric, 4) AS cume_dist
FROM retail.orders
WHERE status <> 'cancelled';

-- name: Histogram of order values in ten equal steps
SELECT bucket, (bucket - 1) * 25 AS from_amount, bucket * 25 AS to_amount, count(*) AS orders
FROM (SELECT width_bucket(total_amount, 0, 250, 10) AS bucket FROM retail.orders WHERE status <> 'cancelled') AS b
GROUP BY bucket
ORDER BY bucket;

-- name: Order values in steps of our own
SELECT (ARRAY['under 20', '20 to 50', '50 to 100', '100 to 200', '200 and more'])[width_bucket(total_amount, ARRAY[20, 50, 100, 200]::numeric[]) + 1] AS step,
       COUNT(*) AS orders, SUM(total_amount) AS revenue
FROM orders
WHERE status <> 'cancelled'
GROUP BY 1
ORDER BY MIN(total_amount);

-- name: Text histogram of quantities per line
SELECT LPAD(quantity::text, 3) || ' | ' || RPAD(REPEAT('█', LEAST(40, (COUNT(*) / 20)::int)), 40, ' ') || ' ' || COUNT(*) AS chart
FROM retail.order_items
WHERE quantity <= 10
GROUP BY quantity
ORDER BY quantity;

-- name: Monthly revenue as a text bar chart
SELECT to_char(month, 'YYYY-MM') AS month,
       rpad(repeat('=', greatest(1, round(revenue / max(revenue) OVER () * 30)::int)), 30, '.') AS bar,
       to_char(revenue, 'FM999,999,990.00') AS revenue
FROM (
    SELECT date_trunc('month', order_date) AS month, sum(total_amount) AS revenue
    FROM retail.orders WHERE order_date >= '2025-07-01' AND status <> 'cancelled' GROUP BY 1
) AS m
ORDER BY m.month;

-- name: Revenue by category and department share
SELECT c.name AS category, sum(i.line_total) AS revenue,
       round(100 * sum(i.line_total) / sum(sum(i.line_total)) OVER (), 2) AS share
FROM retail.order_items AS i
JOIN retail.orders AS o ON o.store_id = i.store_id AND o.order_id = i.order_id AND o.order_date = i.order_date
JOIN retail.products AS p ON p.product_id = i.product_id
JOIN retail.product_types AS t ON t.product_type_id = p.product_type_id
JOIN retail.categories AS c ON c.category_id = t.category_id
WHERE o.status <> 'cancelled' AND i.order_date >= '2025-07-01'
GROUP BY c.name
ORDER BY revenue DESC, category;

-- name: Sales cube of region and year
SELECT COALESCE(s.region, 'all regions') AS region,
       COALESCE(extract(year FROM o.order_date)::text, 'all years') AS year,
       SUM(o.total_amount) AS revenue, GROUPING(s.region, extract(year FROM o.order_date)) AS level
FROM retail.orders o
JOIN retail.stores s ON s.store_id = o.store_id
WHERE o.status <> 'cancelled'
GROUP BY CUBE (s.region, extract(year FROM o.order_date))
ORDER BY 1, 2;

-- name: Rollup of category and product type with subtotals
SELECT CASE WHEN grouping(c.name) = 1 THEN 'TOTAL' ELSE c.name END AS category,
       CASE WHEN grouping(t.name) = 1 THEN '(all types)' ELSE t.name END AS product_type,
       sum(i.quantity) AS units, sum(i.line_total) AS revenue
FROM order_items i
JOIN products p USING (product_id)
JOIN product_types t USING (product_type_id)
JOIN categories c USING (category_id)
WHERE i.order_date >= '2026-01-01'
GROUP BY ROLLUP (c.name, t.name)
HAVING sum(i.line_total) > 0
ORDER BY c.name NULLS LAST, t.name NULLS LAST;

-- name: Grouping sets of status, weekday and nothing
SELECT o.status, to_char(o.order_date, 'Dy') AS weekday, count(*) AS orders
FROM retail.orders AS o
GROUP BY GROUPING SETS ((o.status), (to_char(o.order_date, 'Dy')), ())
ORDER BY 1 NULLS LAST, 2 NULLS LAST;

-- name: Distinct grouping sets without doubles
SELECT extract(year FROM order_date) AS year, status, count(*) AS orders
FROM orders
GROUP BY DISTINCT ROLLUP (extract(year FROM order_date)), GROUPING SETS ((status), ())
ORDER BY year NULLS FIRST, status NULLS FIRST

-- name: Gross margin by product type, the ten best
SELECT t.name AS product_type,
       SUM(i.line_total - i.quantity * i.unit_cost) AS margin,
       ROUND(SUM(i.line_total - i.quantity * i.unit_cost) / NULLIF(SUM(i.line_total), 0) * 100, 1) || ' %' AS margin_percent
FROM retail.order_items i
INNER JOIN retail.orders o USING (store_id, order_id, order_date)
INNER JOIN retail.products p USING (product_id)
INNER JOIN retail.product_types t USING (product_type_id)
WHERE o.status <> 'cancelled'
GROUP BY t.product_type_id, t.name
ORDER BY margin DESC, product_type
LIMIT 10;

-- name: Top three products of each category
SELECT category, place, product, revenue
FROM (
    SELECT c.name AS category, p.name AS product, sum(i.line_total) AS revenue,
           row_number() OVER (PARTITION BY c.name ORDER BY sum(i.line_total) DESC, p.sku) AS place
    FROM retail.order_items i
    JOIN retail.products p ON i.product_id = p.product_id
    JOIN retail.product_types t ON p.product_type_id = t.product_type_id
    JOIN retail.categories c ON t.category_id = c.category_id
    GROUP BY c.name, p.sku, p.name
) AS ranked
WHERE place <= 3
ORDER BY category, place;

-- name: Best seller of each category by lateral join
SELECT c.name AS category, best.name AS best_seller, best.units
FROM retail.categories c
CROSS JOIN LATERAL (
    SELECT p.name, sum(i.quantity) AS units
    FROM retail.order_items i
    JOIN retail.products p ON p.product_id = i.product_id
    JOIN retail.product_types t ON t.product_type_id = p.product_type_id
    WHERE t.category_id = c.category_id
    GROUP BY p.product_id
    ORDER BY units DESC, p.name
    LIMIT 1
) AS best
ORDER BY c.name;

-- name: The last three orders of each of the five busiest customers
WITH busiest AS (
    SELECT customer_id, count(*) AS orders FROM retail.orders
    WHERE customer_id IS NOT NULL
    GROUP BY customer_id ORDER BY orders DESC, customer_id LIMIT 5
)
SELECT b.customer_id, b.orders, recent.order_date, recent.order_number, recent.total_amount
FROM busiest b
LEFT JOIN LATERAL (
    SELECT o.order_date, o.order_number, o.total_amount, o.store_id
    FROM retail.orders o
    WHERE o.customer_id = b.customer_id
    ORDER BY o.ordered_at DESC, o.store_id, o.order_number DESC
    LIMIT 3
) recent ON true
ORDER BY b.orders DESC, b.customer_id, recent.order_date DESC, recent.order_number;

-- name: ABC analysis of products by revenue
WITH revenue AS (
    SELECT product_id, SUM(line_total) AS revenue
    FROM retail.order_items WHERE order_date >= '2025-07-01'
    GROUP BY product_id
), shares AS (
    SELECT product_id, revenue,
           SUM(revenue) OVER (ORDER BY revenue DESC, product_id) / SUM(revenue) OVER () AS cumulative
    FROM revenue
)
SELECT CASE WHEN cumulative <= 0.8 THEN 'A' WHEN cumulative <= 0.95 THEN 'B' ELSE 'C' END AS class,
       COUNT(*) AS products, SUM(revenue) AS revenue, MIN(revenue) AS smallest
FROM shares
GROUP BY 1
ORDER BY 1;

-- name: Pareto, how few products make half of the revenue
WITH ranked AS (
    SELECT p.sku, sum(i.line_total) AS revenue,
           sum(sum(i.line_total)) OVER (ORDER BY sum(i.line_total) DESC, p.sku) AS running,
           sum(sum(i.line_total)) OVER () AS total,
           count(*) OVER () AS products
    FROM order_items i JOIN products p USING (product_id)
    GROUP BY p.sku
)
SELECT count(*) AS products_for_half, max(products) AS of_products, round(100.0 * count(*) / max(products), 1) AS percent
FROM ranked
WHERE running - revenue < total / 2;

-- name: Customer deciles by spending
SELECT decile, count(*) AS customers, sum(spent) AS spent, min(spent) AS from_amount, max(spent) AS to_amount
FROM (
    SELECT customer_id, sum(total_amount) AS spent, ntile(10) OVER (ORDER BY sum(total_amount) DESC, customer_id) AS decile
    FROM retail.orders
    WHERE customer_id IS NOT NULL AND status <> 'cancelled'
    GROUP BY customer_id
) AS customers
GROUP BY decile
ORDER BY decile;

-- name: RFM segments
WITH rfm AS (
    SELECT customer_id,
           DATE '2026-06-30' - MAX(order_date) AS recency,
           COUNT(*) AS frequency,
           SUM(total_amount) AS monetary
    FROM retail.orders
    WHERE customer_id IS NOT NULL AND status <> 'cancelled'
    GROUP BY customer_id
), scored AS (
    SELECT *,
           NTILE(4) OVER (ORDER BY recency DESC, customer_id) AS r,
           NTILE(4) OVER (ORDER BY frequency, customer_id) AS f,
           NTILE(4) OVER (ORDER BY monetary, customer_id) AS m
    FROM rfm
)
SELECT CASE
           WHEN r = 4 AND f = 4 AND m = 4 THEN 'Champions'
           WHEN r >= 3 AND f >= 3 THEN 'Loyal'
           WHEN r >= 3 THEN 'Promising'
           WHEN r <= 2 AND f >= 3 THEN 'At risk'
           ELSE 'Sleeping'
       END AS segment,
       COUNT(*) AS customers, ROUND(AVG(recency)) AS days_since_last, ROUND(AVG(monetary), 2) AS average_spent
FROM scored
GROUP BY segment
ORDER BY customers DESC, segment;

-- name: RFM cells as three-digit codes
SELECT concat(r, f, m) AS cell, count(*) AS customers
FROM (
    SELECT ntile(3) OVER (ORDER BY max(order_date), customer_id) AS r,
           ntile(3) OVER (ORDER BY count(*), customer_id) AS f,
           ntile(3) OVER (ORDER BY sum(total_amount), customer_id) AS m
    FROM orders
    WHERE customer_id IS NOT NULL
    GROUP BY customer_id
) AS s
GROUP BY cell
ORDER BY cell;

-- name: Cohort retention by quarter of first purchase
WITH first_purchase AS (
    SELECT customer_id, date_trunc('quarter', MIN(order_date))::date AS cohort
    FROM retail.orders
    WHERE customer_id IS NOT NULL AND status <> 'cancelled'
    GROUP BY customer_id
), activity AS (
    SELECT DISTINCT f.cohort, o.customer_id,
           ((extract(year FROM o.order_date) - extract(year FROM f.cohort)) * 4
            + extract(quarter FROM o.order_date) - extract(quarter FROM f.cohort))::int AS quarters_later
    FROM retail.orders o
    JOIN first_purchase f USING (customer_id)
    WHERE o.status <> 'cancelled'
)
SELECT cohort,
       COUNT(*) FILTER (WHERE quarters_later = 0) AS size,
       ROUND(100.0 * COUNT(*) FILTER (WHERE quarters_later = 1) / COUNT(*) FILTER (WHERE quarters_later = 0), 1) AS q1,
       ROUND(100.0 * COUNT(*) FILTER (WHERE quarters_later = 2) / COUNT(*) FILTER (WHERE quarters_later = 0), 1) AS q2,
       ROUND(100.0 * COUNT(*) FILTER (WHERE quarters_later = 3) / COUNT(*) FILTER (WHERE quarters_later = 0), 1) AS q3,
       ROUND(100.0 * COUNT(*) FILTER (WHERE quarters_later = 4) / COUNT(*) FILTER (WHERE quarters_later = 0), 1) AS q4
FROM activity
GROUP BY cohort
ORDER BY cohort;

-- name: Yearly cohorts and what they still spend
SELECT cohort, year, count(DISTINCT customer_id) AS customers, sum(total_amount) AS revenue
FROM (
    SELECT customer_id, total_amount, extract(year FROM order_date)::int AS year,
           extract(year FROM min(order_date) OVER (PARTITION BY customer_id))::int AS cohort
    FROM retail.orders
    WHERE customer_id IS NOT NULL AND status <> 'cancelled'
) AS bought
GROUP BY cohort, year
ORDER BY cohort, year;

-- name: New and returning customers by month
WITH marked AS (
    SELECT date_trunc('month', order_date)::date AS month, customer_id,
           order_date = min(order_date) OVER (PARTITION BY customer_id) AS is_new
    FROM retail.orders
    WHERE customer_id IS NOT NULL AND status <> 'cancelled'
)
SELECT month, count(DISTINCT customer_id) FILTER (WHERE is_new) AS new_customers,
       count(DISTINCT customer_id) FILTER (WHERE NOT is_new) AS returning_customers
FROM marked
WHERE month >= '2025-07-01'
GROUP BY month
ORDER BY month;

-- name: Days between purchases
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY gap) AS median_days, min(gap) AS least, max(gap) AS most,
       round(avg(gap), 1) AS average
FROM (
    SELECT order_date - lag(order_date) OVER (PARTITION BY customer_id ORDER BY ordered_at, order_id) AS gap
    FROM retail.orders
    WHERE customer_id IS NOT NULL AND status <> 'cancelled'
) AS gaps
WHERE gap IS NOT NULL;

-- name: First and last purchase of our oldest customers
SELECT c.customer_id, c.created_at::date AS known_since, min(o.order_date) AS first_order, max(o.order_date) AS last_order,
       age(max(o.order_date), min(o.order_date)) AS between
FROM retail.customers AS c
JOIN retail.orders AS o ON o.store_id = c.store_id AND o.customer_id = c.customer_id
GROUP BY c.store_id, c.customer_id, c.created_at
ORDER BY c.created_at, c.customer_id, c.store_id
FETCH FIRST 15 ROWS ONLY;

-- name: The first order of each customer of 2026, with distinct on
SELECT DISTINCT ON (o.customer_id) o.customer_id, o.order_date, o.order_number, o.total_amount
FROM retail.orders o
WHERE o.customer_id IS NOT NULL AND o.order_date >= '2026-01-01'
ORDER BY o.customer_id, o.ordered_at, o.store_id, o.order_number;

-- name: Customers who have not come back for a year
SELECT count(*) AS lost_customers, sum(spent) AS they_spent
FROM (
    SELECT customer_id, max(order_date) AS last_order, sum(total_amount) AS spent
    FROM orders
    WHERE customer_id IS NOT NULL
    GROUP BY customer_id
    HAVING max(order_date) < DATE '2026-06-30' - INTERVAL '1 year' AND count(*) >= 2
) AS lost;

-- name: Our twenty best customers with their names
SELECT c.first_name || ' ' || c.last_name AS customer, c.email, SUM(o.total_amount) AS spent, COUNT(*) AS orders,
       RANK() OVER (ORDER BY SUM(o.total_amount) DESC) AS place
FROM retail.customers c
JOIN retail.orders o ON (o.store_id, o.customer_id) = (c.store_id, c.customer_id)
WHERE o.status <> 'cancelled'
GROUP BY c.store_id, c.customer_id, c.first_name, c.last_name, c.email
ORDER BY spent DESC, c.customer_id
LIMIT 20;

-- name: Customers by domain of their e-mail
SELECT coalesce(split_part(email, '@', 2), 'none') AS domain, count(*) AS customers
FROM customers
GROUP BY 1
ORDER BY customers DESC, domain;

-- name: Customers by initial
SELECT upper(substring(last_name FROM 1 FOR 1)) AS initial, count(*) AS customers
FROM retail.customers
GROUP BY initial
ORDER BY initial;

-- name: Share of anonymous sales by quarter
SELECT date_trunc('quarter', order_date)::date AS quarter,
       round(100.0 * count(*) FILTER (WHERE customer_id IS NULL) / count(*), 1) AS percent_anonymous,
       count(*) - count(customer_id) AS anonymous
FROM orders
GROUP BY quarter
ORDER BY quarter;

-- name: Pairs of products bought together, with lift
WITH baskets AS (
    SELECT DISTINCT i.store_id, i.order_id, t.name AS product_type
    FROM retail.order_items i
    JOIN retail.products p USING (product_id)
    JOIN retail.product_types t USING (product_type_id)
), n AS (
    SELECT COUNT(DISTINCT order_id) AS orders FROM baskets
), singles AS (
    SELECT product_type, COUNT(*) AS orders FROM baskets GROUP BY product_type
), pairs AS (
    SELECT a.product_type AS one, b.product_type AS other, COUNT(*) AS together
    FROM baskets a
    JOIN baskets b ON a.store_id = b.store_id AND a.order_id = b.order_id AND a.product_type < b.product_type
    GROUP BY 1, 2
    HAVING COUNT(*) >= 3
)
SELECT one, other, together,
       ROUND(together::numeric / n.orders, 5) AS support,
       ROUND(together::numeric / s1.orders, 4) AS confidence,
       ROUND(together::numeric * n.orders / (s1.orders * s2.orders), 2) AS lift
FROM pairs
JOIN singles s1 ON s1.product_type = one
JOIN singles s2 ON s2.product_type = other
CROSS JOIN n
ORDER BY lift DESC, one, other
LIMIT 20;

-- name: What else is in a basket with interior paint?
SELECT t.name AS also_bought, count(DISTINCT i.order_id) AS orders
FROM order_items i
JOIN products p USING (product_id)
JOIN product_types t USING (product_type_id)
WHERE t.name <> 'Interior Wall Paint'
  AND EXISTS (
      SELECT 1
      FROM order_items x JOIN products xp USING (product_id) JOIN product_types xt USING (product_type_id)
      WHERE x.store_id = i.store_id AND x.order_id = i.order_id AND xt.name = 'Interior Wall Paint'
  )
GROUP BY t.name
ORDER BY orders DESC, also_bought
LIMIT 10;

-- name: Orders by number of different categories in them
SELECT categories, count(*) AS orders, round(avg(amount), 2) AS average_amount
FROM (
    SELECT i.store_id, i.order_id, count(DISTINCT t.category_id) AS categories, sum(i.line_total) AS amount
    FROM retail.order_items i
    JOIN retail.products p USING (product_id)
    JOIN retail.product_types t USING (product_type_id)
    GROUP BY i.store_id, i.order_id
) AS o
GROUP BY categories
ORDER BY categories;

-- name: Stock that lasts less than 200 days at the pace of the last 90
WITH pace AS (
    SELECT store_id, product_id, SUM(quantity) / 90.0 AS per_day
    FROM retail.order_items
    WHERE order_date > DATE '2026-06-30' - 90
    GROUP BY store_id, product_id
)
SELECT s.name AS store, p.sku, p.name AS product, i.stock_level, ROUND(pace.per_day, 3) AS sold_per_day,
       ROUND(i.stock_level / pace.per_day, 1) AS days_of_cover, p.supplier_lead_days
FROM retail.inventory i
JOIN pace USING (store_id, product_id)
JOIN retail.products p USING (product_id)
JOIN retail.stores s USING (store_id)
WHERE i.stock_level / pace.per_day < 200
ORDER BY i.stock_level / pace.per_day, s.name, p.sku
LIMIT 40;

-- name: Products due for reorder, and how many packs
SELECT p.sku, p.name, inv.stock_level, inv.reorder_level,
       CEIL((inv.reorder_level * 2 - inv.stock_level)::numeric / p.pack_size) AS packs,
       CEIL((inv.reorder_level * 2 - inv.stock_level)::numeric / p.pack_size) * p.pack_size * p.cost AS order_value
FROM retail.inventory inv
JOIN retail.products p USING (product_id)
WHERE inv.stock_level <= inv.reorder_level AND NOT p.discontinued
ORDER BY order_value DESC, p.sku, inv.store_id
LIMIT 50;

-- name: Value of the stock by category at cost and at list price
SELECT c.name, sum(i.stock_level) AS units, sum(i.stock_level * p.cost) AS at_cost, sum(i.stock_level * p.base_price) AS at_price
FROM inventory AS i
NATURAL JOIN (SELECT product_id, cost, base_price, product_type_id FROM products) AS p
JOIN product_types AS t ON t.product_type_id = p.product_type_id
JOIN categories AS c ON c.category_id = t.category_id
GROUP BY ROLLUP (c.name)
ORDER BY c.name NULLS LAST;

-- name: Out of stock although it sold this quarter
SELECT s.name AS store, p.name AS product, p.supplier_lead_days AS days_to_deliver
FROM retail.inventory AS i
JOIN retail.stores AS s ON s.store_id = i.store_id
JOIN retail.products AS p ON p.product_id = i.product_id
WHERE i.stock_level = 0
  AND i.product_id IN (
      SELECT oi.product_id FROM retail.order_items AS oi
      WHERE oi.store_id = i.store_id AND oi.order_date >= '2025-04-01'
  )
ORDER BY store, product;

-- name: Dead stock, nothing sold for a year
SELECT p.sku, p.name, sum(i.stock_level) AS units, sum(i.stock_level * p.cost)::money AS tied_up
FROM retail.inventory i
JOIN retail.products p ON p.product_id = i.product_id
WHERE i.stock_level > 0
  AND NOT EXISTS (
      SELECT FROM retail.order_items x
      WHERE x.store_id = i.store_id AND x.product_id = i.product_id AND x.order_date > '2025-06-30'
  )
GROUP BY p.sku, p.name
ORDER BY sum(i.stock_level * p.cost) DESC, p.sku
LIMIT 25;

-- name: Stock turnover of the last twelve months by category
WITH sold AS (
    SELECT product_id, store_id, sum(quantity * unit_cost) AS cost_of_sales
    FROM retail.order_items
    WHERE order_date BETWEEN '2025-07-01' AND '2026-06-30'
    GROUP BY 1, 2
)
SELECT c.name AS category, round(sum(coalesce(sold.cost_of_sales, 0)) / nullif(sum(i.stock_level * p.cost), 0), 3) AS turns
FROM retail.inventory i
LEFT JOIN sold ON sold.product_id = i.product_id AND sold.store_id = i.store_id
JOIN retail.products p ON p.product_id = i.product_id
JOIN retail.product_types t ON t.product_type_id = p.product_type_id
JOIN retail.categories c ON c.category_id = t.category_id
GROUP BY c.category_id
ORDER BY turns DESC NULLS LAST, category;

-- name: Returns rate by category
SELECT c.name AS category, sum(i.quantity) AS sold, coalesce(sum(r.quantity), 0) AS returned,
       round(100.0 * coalesce(sum(r.quantity), 0) / sum(i.quantity), 2) AS rate
FROM retail.order_items i
LEFT JOIN (
    SELECT store_id, order_id, line_no, sum(quantity) AS quantity FROM retail.returns GROUP BY store_id, order_id, line_no
) r USING (store_id, order_id, line_no)
JOIN retail.products p USING (product_id)
JOIN retail.product_types t USING (product_type_id)
JOIN retail.categories c USING (category_id)
GROUP BY c.name
ORDER BY rate DESC, category;

-- name: Reasons for returns
SELECT coalesce(nullif(trim(reason), ''), 'no reason given') AS reason, count(*) AS returns, sum(refund_amount) AS refunded
FROM returns
GROUP BY 1
ORDER BY returns DESC, reason;

-- name: How many days until goods come back?
SELECT r.returned_on - i.order_date AS days, count(*) AS returns
FROM retail.returns r
JOIN retail.order_items i ON i.store_id = r.store_id AND i.order_id = r.order_id AND i.line_no = r.line_no
GROUP BY days
ORDER BY days;

-- name: Net revenue by month, returns counted on their own day
SELECT month, sum(revenue) AS revenue, sum(refunds) AS refunds, sum(revenue) - sum(refunds) AS net
FROM (
    SELECT date_trunc('month', order_date)::date AS month, total_amount AS revenue, 0 AS refunds
    FROM retail.orders WHERE status <> 'cancelled'
    UNION ALL
    SELECT date_trunc('month', returned_on)::date, 0, refund_amount FROM retail.returns
) AS both_ways
WHERE month >= DATE '2025-07-01'
GROUP BY month
ORDER BY month;

-- name: Products that come back most often
SELECT p.name, count(*) AS returns, string_agg(DISTINCT r.reason, ', ' ORDER BY r.reason) AS reasons
FROM retail.returns r
JOIN retail.order_items i USING (store_id, order_id, line_no)
JOIN retail.products p USING (product_id)
GROUP BY p.product_id
HAVING count(*) > 1
ORDER BY returns DESC, p.name
LIMIT 15;

-- name: Returns by reason and year as columns
SELECT reason,
       count(*) FILTER (WHERE returned_on < '2024-01-01') AS until_2023,
       count(*) FILTER (WHERE date_part('year', returned_on) = 2024) AS in_2024,
       count(*) FILTER (WHERE date_part('year', returned_on) = 2025) AS in_2025,
       count(*) FILTER (WHERE returned_on >= '2026-01-01') AS in_2026
FROM retail.returns
GROUP BY reason
ORDER BY reason COLLATE "C";

-- name: Target against actual by month of 2026
SELECT s.name AS store, to_char(t.month, 'YYYY-MM') AS month, t.revenue_target AS target,
       coalesce(sum(o.total_amount), 0) AS actual,
       round(coalesce(sum(o.total_amount), 0) * 100 / nullif(t.revenue_target, 0), 1) AS attained
FROM retail.store_targets t
JOIN retail.stores s ON s.store_id = t.store_id
LEFT JOIN retail.orders o
    ON o.store_id = t.store_id AND o.status <> 'cancelled'
    AND o.order_date >= t.month AND o.order_date < t.month + interval '1 month'
WHERE t.month BETWEEN '2026-01-01' AND '2026-06-01'
GROUP BY s.name, t.store_id, t.month
ORDER BY s.name, t.month;

-- name: Months in which the target was missed
WITH actual AS MATERIALIZED (
    SELECT store_id, date_trunc('month', order_date)::date AS month, sum(total_amount) AS revenue
    FROM retail.orders WHERE status <> 'cancelled' GROUP BY 1, 2
)
SELECT s.name, t.month, t.revenue_target - coalesce(a.revenue, 0) AS short_by
FROM retail.store_targets t
JOIN retail.stores s USING (store_id)
LEFT JOIN actual a USING (store_id, month)
WHERE t.month >= '2025-01-01' AND t.month < '2026-07-01' AND coalesce(a.revenue, 0) < t.revenue_target
ORDER BY short_by DESC, s.name, t.month;

-- name: Longest streak of months above target
WITH months AS (
    SELECT t.store_id, t.month,
           coalesce((SELECT sum(o.total_amount) FROM retail.orders o
                     WHERE o.store_id = t.store_id AND o.status <> 'cancelled'
                       AND o.order_date >= t.month AND o.order_date < (t.month + interval '1 month')::date), 0) >= t.revenue_target AS hit
    FROM retail.store_targets t
    WHERE t.month < '2026-07-01'
), islands AS (
    SELECT store_id, month, hit,
           row_number() OVER (PARTITION BY store_id ORDER BY month)
           - row_number() OVER (PARTITION BY store_id, hit ORDER BY month) AS island
    FROM months
)
SELECT DISTINCT ON (s.name) s.name, min(i.month) AS from_month, max(i.month) AS to_month, count(*) AS months
FROM islands i JOIN retail.stores s USING (store_id)
WHERE i.hit
GROUP BY s.name, i.island
ORDER BY s.name, count(*) DESC, min(i.month);

-- name: Gaps of five days and more without an order in one store
SELECT previous AS last_order_before, order_date AS next_order, order_date - previous AS days
FROM (
    SELECT order_date, lag(order_date) OVER (ORDER BY order_date) AS previous
    FROM (SELECT DISTINCT order_date FROM retail.orders WHERE store_id = (SELECT store_id FROM retail.stores ORDER BY name LIMIT 1)) AS d
) AS days
WHERE order_date - previous >= 5
ORDER BY days DESC, previous;

-- name: Islands of consecutive days with orders
WITH days AS (SELECT DISTINCT order_date FROM retail.orders),
     numbered AS (SELECT order_date, order_date - (row_number() OVER (ORDER BY order_date))::int AS island FROM days)
SELECT min(order_date) AS from_day, max(order_date) AS to_day, count(*) AS days
FROM numbered
GROUP BY island
HAVING count(*) >= 3
ORDER BY days DESC, from_day
LIMIT 10;

-- name: Seasonality index by month of the year
WITH by_month AS (
    SELECT extract(year FROM order_date) AS year, extract(month FROM order_date) AS month, sum(total_amount) AS revenue
    FROM retail.orders
    WHERE status <> 'cancelled' AND order_date < '2026-01-01'
    GROUP BY 1, 2
)
SELECT month, round(avg(revenue / yearly), 3) AS index
FROM (SELECT *, avg(revenue) OVER (PARTITION BY year) AS yearly FROM by_month) AS m
GROUP BY month
ORDER BY month;

-- name: In which season does each category sell?
SELECT c.name AS category,
       round(100.0 * sum(i.line_total) FILTER (WHERE extract(month FROM i.order_date) IN (12, 1, 2)) / sum(i.line_total)) AS winter,
       round(100.0 * sum(i.line_total) FILTER (WHERE extract(month FROM i.order_date) IN (3, 4, 5)) / sum(i.line_total)) AS spring,
       round(100.0 * sum(i.line_total) FILTER (WHERE extract(month FROM i.order_date) BETWEEN 6 AND 8) / sum(i.line_total)) AS summer,
       round(100.0 * sum(i.line_total) FILTER (WHERE extract(month FROM i.order_date) = ANY (ARRAY[9, 10, 11])) / sum(i.line_total)) AS autumn
FROM retail.order_items i
JOIN retail.products p USING (product_id)
JOIN retail.product_types t USING (product_type_id)
JOIN retail.categories c USING (category_id)
GROUP BY c.name
ORDER BY c.name;

-- name: Calendar of June 2026 with orders in each day
WITH RECURSIVE calendar (day) AS (
    VALUES (DATE '2026-06-01')
    UNION ALL
    SELECT day + 1 FROM calendar WHERE day < DATE '2026-06-30'
)
SELECT to_char(day, 'IW') AS week, string_agg(lpad(extract(day FROM day)::text, 2, '0') || ':' || coalesce(n, 0), ' ' ORDER BY day) AS days
FROM calendar
LEFT JOIN (SELECT order_date, count(*) AS n FROM retail.orders GROUP BY order_date) AS o ON o.order_date = calendar.day
GROUP BY week
ORDER BY week;

-- name: Path of each product type below its category
WITH RECURSIVE paths AS (
    SELECT category_id AS id, name::text AS path, 1 AS depth FROM retail.categories
    UNION ALL
    SELECT t.product_type_id, p.path || ' > ' || t.name, p.depth + 1
    FROM paths p JOIN retail.product_types t ON t.category_id = p.id
)
SELECT path, depth FROM paths ORDER BY path;

-- name: Tree of departments, types and products in depth-first order
WITH RECURSIVE nodes (id, parent, name) AS (
    SELECT category_id, NULL::uuid, name FROM retail.categories
    UNION ALL SELECT product_type_id, category_id, name FROM retail.product_types
), tree AS (
    SELECT id, name, 0 AS depth FROM nodes WHERE parent IS NULL
    UNION ALL
    SELECT n.id, n.name, tree.depth + 1 FROM tree JOIN nodes n ON n.parent = tree.id
) SEARCH DEPTH FIRST BY name SET position
SELECT repeat('  ', depth) || name AS entry FROM tree ORDER BY position;

-- name: Chain of neighbouring price points, guarded against cycles
WITH RECURSIVE steps (price, hops) AS (
    SELECT min(base_price), 0 FROM retail.products
    UNION ALL
    SELECT (SELECT min(p.base_price) FROM retail.products p WHERE p.base_price > s.price * 2), s.hops + 1
    FROM steps s WHERE s.hops < 12 AND s.price IS NOT NULL
) CYCLE price SET looped USING trail
SELECT hops, price, looped FROM steps WHERE price IS NOT NULL ORDER BY hops;

-- name: Compound growth of a target over six months
WITH RECURSIVE plan AS (
    SELECT 1 AS step, 1000.00::numeric AS amount
    UNION ALL
    SELECT step + 1, round(amount * 1.03, 2) FROM plan WHERE step < 6
)
SELECT step, amount FROM plan ORDER BY step;

-- name: Fibonacci, because somebody asked
WITH RECURSIVE fib(n, a, b) AS (SELECT 1, 0::bigint, 1::bigint UNION ALL SELECT n + 1, b, a + b FROM fib WHERE n < 20)
SELECT n, a AS fibonacci FROM fib;

-- name: Each order of a week as a JSON object with its lines
SELECT json_build_object(
           'order', o.order_number, 'date', o.order_date, 'total', o.total_amount,
           'lines', json_agg(json_build_object('sku', p.sku, 'quantity', i.quantity, 'amount', i.line_total) ORDER BY i.line_no)
       ) AS receipt
FROM retail.orders o
JOIN retail.order_items i ON i.store_id = o.store_id AND i.order_id = o.order_id
JOIN retail.products p ON p.product_id = i.product_id
WHERE o.order_date BETWEEN '2026-06-15' AND '2026-06-21'
GROUP BY o.store_id, o.order_id, o.order_number, o.order_date, o.total_amount
ORDER BY o.order_date, o.store_id, o.order_number;

-- name: Revenue by category as one JSON document
SELECT jsonb_object_agg(category, revenue ORDER BY category) AS by_category
FROM (
    SELECT c.name AS category, sum(i.line_total) AS revenue
    FROM retail.order_items i JOIN retail.products p USING (product_id)
    JOIN retail.product_types t USING (product_type_id) JOIN retail.categories c USING (category_id)
    WHERE i.order_date >= '2026-01-01'
    GROUP BY c.name
) AS r;

-- name: Reading a JSON document back by its paths
WITH doc AS (
    SELECT jsonb_build_object('stores', jsonb_agg(jsonb_build_object('name', name, 'region', region, 'opened', opened_on) ORDER BY name)) AS d
    FROM retail.stores
)
SELECT d -> 'stores' -> 0 ->> 'name' AS first_name,
       d #>> '{stores,0,region}' AS first_region,
       jsonb_array_length(d -> 'stores') AS stores,
       (d -> 'stores' -> 0 ->> 'opened')::date AS opened,
       d ? 'stores' AS has_stores,
       d @> '{"stores": [{"region": "Puget Sound"}]}'::jsonb AS in_puget_sound
FROM doc;

-- name: JSON path query over orders of a month
WITH doc AS (
    SELECT jsonb_agg(jsonb_build_object('n', order_number, 'amount', total_amount, 'status', status) ORDER BY store_id, order_number) AS orders
    FROM retail.orders WHERE order_date BETWEEN '2026-05-01' AND '2026-05-31'
)
SELECT jsonb_path_query(orders, '$[*] ? (@.amount > 100 && @.status == "completed").n') AS order_number
FROM doc;

-- name: JSON path exists, first and array
SELECT jsonb_path_exists(d, '$.a[*] ? (@ > 2)') AS any_above_two,
       jsonb_path_query_first(d, '$.a[*] ? (@ > 1)') AS first_above_one,
       jsonb_path_query_array(d, '$.a[*] ? (@ < 3)') AS below_three,
       d #> '{a,1}' AS second
FROM (SELECT '{"a": [1, 2, 3]}'::jsonb AS d) AS doc;

-- name: Unnesting JSON that the assistant passes along
SELECT x.sku, x.wanted, p.name, coalesce(sum(i.stock_level), 0) AS on_hand, coalesce(sum(i.stock_level), 0) >= x.wanted AS enough
FROM jsonb_to_recordset('[{"sku": "ELE-BATT-001", "wanted": 10}, {"sku": "ELE-BULB-001", "wanted": 4}, {"sku": "ELE-ALRM-002", "wanted": 25}]'::jsonb)
     AS x(sku text, wanted int)
JOIN retail.products p ON p.sku = x.sku
LEFT JOIN retail.inventory i USING (product_id)
GROUP BY x.sku, x.wanted, p.name
ORDER BY x.sku;

-- name: Elements of a JSON array with their number
SELECT item.ordinality AS place, item.value ->> 'name' AS name, (item.value ->> 'share')::numeric AS share
FROM jsonb_array_elements('[{"name": "one", "share": 0.5}, {"name": "two", "share": 0.25}]') WITH ORDINALITY AS item(value, ordinality)
ORDER BY place;

-- name: A store as key and value rows
SELECT s.name AS store, entry.key, entry.value
FROM retail.stores AS s
CROSS JOIN LATERAL jsonb_each_text(to_jsonb(s) - 'store_id' - 'created_at' - 'updated_at') AS entry
ORDER BY s.name, entry.key;

-- name: Row as JSON with pretty print
SELECT jsonb_pretty(to_jsonb(t)) AS document
FROM (SELECT sku, name, cost, base_price FROM products ORDER BY sku LIMIT 3) AS t;

-- name: Monthly series as arrays for a chart
SELECT json_build_object(
    'labels', json_agg(label ORDER BY month),
    'values', json_agg(revenue ORDER BY month)
) AS chart
FROM (
    SELECT date_trunc('month', order_date) AS month, to_char(date_trunc('month', order_date), 'Mon') AS label, sum(total_amount) AS revenue
    FROM orders WHERE order_date BETWEEN '2025-07-01' AND '2026-06-30' AND status <> 'cancelled' GROUP BY 1, 2
) AS m;

-- name: Changing a JSON document on the way out
SELECT p.sku,
       jsonb_set(jsonb_build_object('price', jsonb_build_object('list', p.base_price)), '{price,cost}', to_jsonb(p.cost)) AS price,
       jsonb_strip_nulls(jsonb_build_object('pack', nullif(p.pack_size, 1), 'gone', nullif(p.discontinued, false))) AS extras,
       jsonb_typeof(to_jsonb(p.cost)) AS type
FROM retail.products p
WHERE p.discontinued OR p.pack_size > 40
ORDER BY p.sku
LIMIT 12;

-- name: Keys of a JSON object
SELECT key FROM jsonb_object_keys((SELECT to_jsonb(o) FROM orders o ORDER BY store_id, order_number LIMIT 1)) AS key ORDER BY key;

-- name: Sizes in the names of products, by regular expression
SELECT p.sku, p.name, (regexp_match(p.name, '(\d+(?:/\d+)?) in\M'))[1] AS inches
FROM retail.products p
WHERE p.name ~ '\d in\M'
ORDER BY p.sku
LIMIT 25;

-- name: Packs in the names of products
SELECT substring(name from '(\d+) Pack')::int AS pack, count(*) AS products, round(avg(base_price), 2) AS average_price
FROM products
WHERE name ~* '\m\d+ pack\M'
GROUP BY pack
ORDER BY pack;

-- name: Codes within the SKU
SELECT split_part(sku, '-', 1) AS department, split_part(sku, '-', 2) AS kind, count(*) AS products,
       min(split_part(sku, '-', 3)::int) AS first_no, max(right(sku, 3)::int) AS last_no
FROM retail.products
GROUP BY 1, 2
ORDER BY 1, 2;

-- name: Words most used in product names
SELECT lower(word) AS word, count(*) AS products
FROM retail.products, regexp_split_to_table(name, '[^[:alpha:]]+') AS word
WHERE length(word) > 3
GROUP BY 1
ORDER BY products DESC, word
LIMIT 20;

-- name: All numbers of a product name
SELECT p.sku, array_agg(m[1]::int ORDER BY ordinality) AS numbers
FROM retail.products p
CROSS JOIN LATERAL regexp_matches(p.name, '\d+', 'g') WITH ORDINALITY AS found(m, ordinality)
WHERE p.sku LIKE 'HND-%'
GROUP BY p.sku
HAVING count(*) > 1
ORDER BY p.sku;

-- name: Names tidied up with regular expressions
SELECT regexp_replace(name, '\s*,.*$', '') AS short_name, regexp_count(name, '\w+') AS words,
       regexp_substr(name, '[A-Z][a-z]+') AS first_word, regexp_instr(name, ',') AS comma_at
FROM products
WHERE regexp_like(name, ',')
ORDER BY sku
LIMIT 20;

-- name: SKUs that match an SQL pattern
SELECT sku, name FROM retail.products WHERE sku SIMILAR TO '(ELE|PLB)-[A-Z]{4}-00[1-2]' ORDER BY sku;

-- name: Names with a slash or a percent sign, with escape
SELECT name FROM products WHERE name LIKE '%/%' OR name LIKE '%!%%' ESCAPE '!' ORDER BY name COLLATE "C" LIMIT 20;

-- name: Products of two words, whatever their case
SELECT sku, name FROM retail.products
WHERE name ILIKE ANY (ARRAY['%drill%', '%saw%']) AND name NOT ILIKE ALL (ARRAY['%wall%', '%set%'])
ORDER BY name, sku;

-- name: Where is the comma of a name?
SELECT left(name, position(',' IN name) - 1) AS before, trim(both from substr(name, position(',' in name) + 1)) AS after
FROM retail.products
WHERE position(',' in name) > 0
ORDER BY sku
LIMIT 15;

-- name: The city of each store out of its address
SELECT name, trim(split_part(location, ',', 2)) AS city, trim(reverse(split_part(reverse(location), ',', 1))) AS state,
       strpos(location, ',') AS first_comma, substring(location from '^\d+') AS house_number
FROM stores
ORDER BY name;

-- name: A masked list of order numbers
SELECT overlay(lpad(order_number::text, 8, '0') placing '****' from 3 for 4) AS masked, ltrim(to_char(order_number, '00000000')) AS full_number
FROM retail.orders
WHERE order_date = DATE '2026-06-20'
ORDER BY store_id, order_number;

-- name: Price list in fixed width
SELECT rpad(left(name, 30), 30, '.') || lpad(to_char(base_price, 'FM$9,990.00'), 12, '.') AS line
FROM retail.products
WHERE NOT discontinued
ORDER BY base_price DESC, sku
LIMIT 20;

-- name: Money, percent and ordinal formats
SELECT to_char(1234567.891, 'L9G999G999D99') AS money_text, 1234.5::numeric::money AS money, to_char(0.256 * 100, 'FM990.0"%"') AS percent,
       to_char(date '2026-06-03', 'FMDDth "of" FMMonth YYYY') AS day, to_char(42, 'FMRN') AS roman, to_char(-5, 'S99') AS signed,
       to_char(interval '26 hours 5 minutes', 'HH24:MI') AS duration, to_number('1,234.50', '9,999.99') AS number;

-- name: Texts joined, cleaned and turned around
SELECT initcap(lower('PUGET SOUND')) AS region, concat_ws(', ', 'Seattle', NULL, 'WA') AS place, translate('206-555-0100', '-', ' ') AS phone,
       btrim('  x  ') AS x, trim(leading '0' from '00042') AS number, rtrim('a,b,,', ',') AS list, reverse('abc') AS reversed,
       char_length('naïve') AS letters, octet_length('naïve') AS bytes, ascii('A') AS code, chr(8364) AS euro,
       replace('a-b-c', '-', '+') AS plus, starts_with('Zava', 'Za') AS starts, md5('zava') AS hash, 'It''s' AS quoted, E'tab\there' AS tab;

-- name: Products of each type in one text
SELECT t.name AS product_type, count(*) AS products, string_agg(p.name, '; ' ORDER BY p.name) AS names
FROM retail.product_types t
JOIN retail.products p ON p.product_type_id = t.product_type_id
JOIN retail.categories c ON c.category_id = t.category_id AND c.name = 'Power Tools'
GROUP BY t.name
ORDER BY t.name;

-- name: Last week with Monday as its first day
SELECT date_trunc('week', DATE '2026-06-30' - 7)::date AS monday, (date_trunc('week', DATE '2026-06-30')::date - 1) AS sunday,
       count(*) AS orders, sum(o.total_amount) AS revenue
FROM retail.orders o
WHERE o.order_date >= date_trunc('week', DATE '2026-06-30' - 7)::date AND o.order_date < date_trunc('week', DATE '2026-06-30')::date;

-- name: Orders up to today, this year and before
SELECT order_date >= date_trunc('year', now())::date AS this_year, count(*) > 0 AS there_are_some
FROM retail.orders
WHERE order_date <= current_date AND ordered_at <= now() AND ordered_at < clock_timestamp()
GROUP BY 1
ORDER BY 1;

-- name: Orders of the last fifty years, against now
SELECT count(*) AS orders FROM orders WHERE ordered_at > now() - interval '50 years' AND order_date > (current_date - interval '50 years')::date

-- name: Thirty days before the last day with orders
WITH last_day AS (SELECT max(order_date) AS day FROM retail.orders)
SELECT o.order_date, count(*) AS orders, sum(o.total_amount) AS revenue
FROM retail.orders AS o, last_day
WHERE o.order_date > last_day.day - 30
GROUP BY o.order_date
ORDER BY o.order_date;

-- name: Age of each store in years and months on a day
SELECT name, opened_on, age(DATE '2026-06-30', opened_on) AS age, extract(year FROM age(DATE '2026-06-30', opened_on))::int AS years,
       DATE '2026-06-30' - opened_on AS days, (opened_on + interval '10 years')::date AS tenth_birthday
FROM retail.stores
ORDER BY opened_on, name;

-- name: Working days of each month of the half-year
SELECT make_date(2026, m, 1) AS month,
       (SELECT count(*) FROM generate_series(make_date(2026, m, 1), (make_date(2026, m, 1) + interval '1 month - 1 day')::date, '1 day') AS d
        WHERE extract(dow FROM d) NOT IN (0, 6)) AS working_days,
       (SELECT count(*) FROM retail.orders o WHERE extract(year FROM o.order_date) = 2026 AND extract(month FROM o.order_date) = m) AS orders
FROM generate_series(1, 6) AS m
ORDER BY m;

-- name: Fiscal quarters of a year that begins in July
SELECT 'FY' || extract(year FROM order_date + interval '6 months')::int AS fiscal_year,
       'Q' || extract(quarter FROM order_date + interval '6 months')::int AS fiscal_quarter,
       sum(total_amount) AS revenue
FROM retail.orders
WHERE status <> 'cancelled' AND order_date >= '2024-07-01'
GROUP BY 1, 2
ORDER BY 1, 2;

-- name: Orders in bins of two weeks
SELECT date_bin('14 days', o.order_date::timestamp, TIMESTAMP '2026-01-05') AS bin, count(*) AS orders, sum(total_amount) AS revenue
FROM retail.orders o
WHERE o.order_date >= DATE '2026-01-05'
GROUP BY bin
ORDER BY bin;

-- name: Texts that are dates
SELECT to_date('06/15/2026', 'MM/DD/YYYY') AS day, to_timestamp('2026-06-15 13:30', 'YYYY-MM-DD HH24:MI') AT TIME ZONE 'UTC' AS moment,
       '2026-02-28'::date + 1 AS next_day, CAST('2026-06-01' AS date) AS cast_day, date '2024-02-29' + interval '1 year' AS leap,
       make_interval(days => 10, hours => 4) AS span, justify_days(interval '65 days') AS justified,
       extract(epoch FROM interval '1 day')::int AS seconds, isfinite(date 'infinity') AS finite,
       (DATE '2026-06-01', DATE '2026-06-30') OVERLAPS (DATE '2026-06-15', DATE '2026-07-15') AS overlap,
       make_timestamp(2026, 6, 30, 12, 0, 0) AS noon, to_char(make_time(8, 5, 0), 'HH12:MI AM') AS opening;

-- name: Time between the local evening and midnight in UTC
SELECT (TIMESTAMP '2026-06-30 20:00' AT TIME ZONE 'America/Los_Angeles') AT TIME ZONE 'UTC' AS utc,
       timestamptz '2026-06-30 20:00+00' AT TIME ZONE 'Asia/Tokyo' AS tokyo, time '23:59' - time '20:00' AS left_over;

-- name: Orders whose date is another in UTC
SELECT count(*) AS orders, count(*) FILTER (WHERE order_date < (ordered_at AT TIME ZONE 'UTC')::date) AS a_day_earlier
FROM retail.orders
WHERE order_date IS DISTINCT FROM (ordered_at AT TIME ZONE 'UTC')::date;

-- name: Sales in the days around holidays
SELECT holiday, count(o.order_id) AS orders, sum(o.total_amount) AS revenue
FROM (VALUES ('Memorial Day', DATE '2026-05-25'), ('Easter', DATE '2026-04-05'), ('Presidents Day', DATE '2026-02-16')) AS h (holiday, day)
LEFT JOIN retail.orders o ON o.order_date BETWEEN h.day - 3 AND h.day + 3 AND o.status <> 'cancelled'
GROUP BY holiday, h.day
ORDER BY h.day;

-- name: Promotions as ranges and what was sold in them
WITH promotion (name, days) AS (
    VALUES ('Spring', daterange('2026-03-01', '2026-04-15')), ('Garden', daterange('2026-04-01', '2026-05-31', '[]'))
)
SELECT promotion.name, lower(days) AS from_day, upper(days) - 1 AS to_day, upper(days) - lower(days) AS length,
       count(*) AS orders, sum(o.total_amount) AS revenue
FROM promotion
JOIN retail.orders o ON promotion.days @> o.order_date
GROUP BY promotion.name, days
ORDER BY from_day;

-- name: Promotions that overlap
WITH promotion (name, days) AS (
    VALUES ('A', daterange('2026-03-01', '2026-04-15')), ('B', daterange('2026-04-01', '2026-06-01')), ('C', daterange('2026-07-01', NULL))
)
SELECT a.name || b.name AS pair, a.days * b.days AS shared, a.days && b.days AS overlap, a.days -|- b.days AS adjacent, upper_inf(b.days) AS open_end
FROM promotion a JOIN promotion b ON a.name < b.name
ORDER BY pair;

-- name: Periods with orders as multirange
SELECT range_agg(daterange(order_date, order_date + 7)) AS busy
FROM (SELECT DISTINCT order_date FROM retail.orders WHERE order_date >= '2026-06-01') AS d;

-- name: Price bands as numeric ranges
SELECT band, count(*) AS products
FROM (VALUES (numrange(0, 10)), (numrange(10, 50)), (numrange(50, 200)), (numrange(200, NULL))) AS b (band)
JOIN retail.products p ON p.base_price <@ b.band
GROUP BY band
ORDER BY band;

-- name: Products of each order of a day as an array
SELECT o.order_number, array_agg(p.sku ORDER BY i.line_no) AS skus, array_length(array_agg(p.sku ORDER BY i.line_no), 1) AS lines,
       (array_agg(p.name ORDER BY i.line_total DESC, p.sku))[1] AS dearest, cardinality(array_agg(DISTINCT p.sku)) AS different
FROM retail.orders o
JOIN retail.order_items i USING (store_id, order_id)
JOIN retail.products p USING (product_id)
WHERE o.order_date BETWEEN '2026-06-10' AND '2026-06-14'
GROUP BY o.store_id, o.order_id, o.order_number
ORDER BY o.order_number, o.store_id;

-- name: Orders that hold any of these products
SELECT o.order_date, o.order_number, o.total_amount
FROM retail.orders o
WHERE ARRAY(SELECT p.sku FROM retail.order_items i JOIN retail.products p USING (product_id)
            WHERE i.store_id = o.store_id AND i.order_id = o.order_id)
      && ARRAY['ELE-BATT-001', 'ELE-BULB-001', 'ELE-ALRM-001']
ORDER BY o.order_date DESC, o.store_id, o.order_number
LIMIT 20;

-- name: Wanted SKUs in the order in which they were asked for
SELECT wanted.position, wanted.sku, p.name, p.base_price
FROM unnest(ARRAY['PLB-KFAU-001', 'ELE-BATT-002', 'ELE-BULB-003', 'NO-SUCH-999']) WITH ORDINALITY AS wanted (sku, position)
LEFT JOIN retail.products p ON p.sku = wanted.sku
ORDER BY wanted.position;

-- name: The first three and the last months of an array
WITH months AS (
    SELECT array_agg(revenue ORDER BY month) AS series
    FROM (SELECT date_trunc('month', order_date) AS month, sum(total_amount) AS revenue FROM retail.orders
          WHERE order_date >= '2025-07-01' GROUP BY 1) AS m
)
SELECT series[1:3] AS first_three, series[array_upper(series, 1)] AS last, trim_array(series, 9) AS trimmed, series[10:] AS tail,
       array_position(series, series[2]) AS second_at, array_to_string(series[1:2], ' | ') AS joined
FROM months;

-- name: Array arithmetic without tables
SELECT array_append(ARRAY[1, 2], 3) AS appended, array_remove(ARRAY['a', 'b', 'a'], 'a') AS removed, ARRAY[1, 2] || ARRAY[3] AS joined,
       string_to_array('a,b,,c', ',') AS parts, array_replace(ARRAY[1, 1, 2], 1, 9) AS replaced, 3 = ANY (ARRAY[1, 3]) AS has_three,
       5 > ALL (ARRAY[1, 3]) AS above_all, (ARRAY[[1, 2], [3, 4]])[2][1] AS matrix, '{x,y}'::text[] AS cast_array, array_ndims(ARRAY[[1], [2]]) AS dimensions;

-- name: Sums of three months over an array by subscripts
WITH s AS (
    SELECT array_agg(revenue ORDER BY month) AS v
    FROM (SELECT date_trunc('month', order_date) AS month, sum(total_amount) AS revenue FROM orders WHERE order_date >= '2026-01-01' GROUP BY 1) m
)
SELECT i, v[i] AS month_revenue, (SELECT sum(x) FROM unnest(v[greatest(i - 2, 1):i]) AS x) AS last_three
FROM s CROSS JOIN LATERAL generate_subscripts(v, 1) AS i
ORDER BY i;

-- name: Products sold both in winter and in summer
SELECT p.name FROM retail.order_items i JOIN retail.products p USING (product_id) WHERE extract(month FROM i.order_date) IN (12, 1, 2)
INTERSECT
SELECT p.name FROM retail.order_items i JOIN retail.products p USING (product_id) WHERE extract(month FROM i.order_date) IN (6, 7, 8)
EXCEPT
SELECT name FROM retail.products WHERE discontinued
ORDER BY name
LIMIT 100;

-- name: Customers of 2025 who did not come in 2026
(SELECT customer_id FROM retail.orders WHERE order_date BETWEEN '2025-01-01' AND '2025-12-31' AND customer_id IS NOT NULL)
EXCEPT
(SELECT customer_id FROM retail.orders WHERE order_date >= '2026-01-01')
ORDER BY customer_id;

-- name: Bag difference of months with orders and with returns
SELECT to_char(order_date, 'YYYY-MM') AS month, count(*) AS orders FROM retail.orders WHERE order_date >= '2025-01-01' GROUP BY 1
EXCEPT ALL
SELECT to_char(returned_on, 'YYYY-MM'), count(*) FROM retail.returns GROUP BY 1
ORDER BY month;

-- name: Headline figures one below the other
SELECT 1 AS no, 'Orders' AS figure, count(*)::text AS value FROM orders WHERE status <> 'cancelled'
UNION ALL SELECT 2, 'Revenue', to_char(sum(total_amount), 'FM999,999,990.00') FROM orders WHERE status <> 'cancelled'
UNION ALL SELECT 3, 'Customers', count(DISTINCT customer_id)::text FROM orders
UNION ALL SELECT 4, 'Stock units', sum(stock_level)::text FROM inventory
ORDER BY no;

-- name: A list of values alone
VALUES (1, 'one'), (2, 'two'), (3, NULL) ORDER BY 1 DESC

-- name: Named values joined with the data
SELECT v.label, count(o.*) AS orders
FROM (VALUES ('small', 0, 50), ('medium', 50, 150), ('large', 150, 1000000)) AS v (label, low, high)
LEFT JOIN orders o ON o.total_amount >= v.low AND o.total_amount < v.high AND o.order_date >= '2026-01-01'
GROUP BY v.label, v.low
ORDER BY v.low;

-- name: Categories and types in a full join
SELECT c.name AS category, t.name AS product_type
FROM retail.categories c
FULL OUTER JOIN retail.product_types t ON t.category_id = c.category_id AND t.name LIKE 'W%'
WHERE c.category_id IS NULL OR t.product_type_id IS NULL OR t.name < 'Wi'
ORDER BY category NULLS LAST, product_type NULLS LAST;

-- name: Days with orders or returns, in a full join
SELECT coalesce(o.day, r.day) AS day, coalesce(o.orders, 0) AS orders, coalesce(r.returns, 0) AS returns
FROM (SELECT order_date AS day, count(*) AS orders FROM retail.orders WHERE order_date >= '2026-04-01' GROUP BY 1) AS o
FULL JOIN (SELECT returned_on AS day, count(*) AS returns FROM retail.returns WHERE returned_on >= '2026-04-01' GROUP BY 1) AS r USING (day)
ORDER BY 1;

-- name: Types that lose products, in a right join
SELECT t.name, count(p.product_id) FILTER (WHERE p.discontinued) AS discontinued
FROM products p RIGHT JOIN product_types t USING (product_type_id)
GROUP BY t.name
HAVING count(p.product_id) FILTER (WHERE p.discontinued) > 0
ORDER BY t.name;

-- name: Natural join of orders and their lines
SELECT count(*) AS lines, sum(line_total) AS revenue
FROM (SELECT store_id, order_id, order_date, status FROM orders) AS o NATURAL JOIN (SELECT store_id, order_id, order_date, line_total FROM order_items) AS i
WHERE status = 'completed';

-- name: Orders above the average of their own month
SELECT o.order_number, o.order_date, o.total_amount
FROM retail.orders o
WHERE o.status <> 'cancelled' AND o.order_date >= '2026-06-01'
  AND o.total_amount > (
      SELECT avg(x.total_amount) FROM retail.orders x
      WHERE x.store_id = o.store_id AND x.order_date >= date_trunc('month', o.order_date)::date
        AND x.order_date < (date_trunc('month', o.order_date) + interval '1 month')::date
  )
ORDER BY o.total_amount DESC, o.order_number, o.store_id;

-- name: Orders larger than all orders of the first week of June
SELECT order_number, total_amount FROM retail.orders
WHERE total_amount > ALL (SELECT total_amount FROM retail.orders WHERE order_date BETWEEN '2026-06-01' AND '2026-06-07')
ORDER BY total_amount DESC, order_number
LIMIT 10;

-- name: Products that were never sold
SELECT p.sku, p.name, p.created_at IS NOT NULL AS listed
FROM retail.products p
LEFT JOIN retail.order_items i ON i.product_id = p.product_id
WHERE i.product_id IS NULL
ORDER BY p.sku;

-- name: Customers who bought from at least five departments
SELECT count(*) AS customers
FROM (
    SELECT o.customer_id
    FROM retail.orders o JOIN retail.order_items i USING (store_id, order_id) JOIN retail.products p USING (product_id)
    JOIN retail.product_types t USING (product_type_id)
    WHERE o.customer_id IS NOT NULL
    GROUP BY o.customer_id
    HAVING count(DISTINCT t.category_id) >= 5
) AS broad;

-- name: Prices charged against the list price of today
SELECT p.sku, p.base_price, min(i.unit_price) AS lowest, max(i.unit_price) AS highest,
       round((p.base_price / nullif(min(i.unit_price), 0) - 1) * 100, 1) AS rise_percent
FROM retail.products p JOIN retail.order_items i USING (product_id)
GROUP BY p.product_id
ORDER BY rise_percent DESC, p.sku
LIMIT 15;

-- name: How discounts change quantity
SELECT discount_percent, count(*) AS lines, round(avg(quantity), 2) AS units_per_line, sum(discount_amount) AS given_away
FROM retail.order_items
GROUP BY discount_percent
ORDER BY discount_percent;

-- name: Correlation of price and quantity
SELECT round(corr(unit_price, quantity)::numeric, 4) AS correlation, regr_count(quantity, unit_price) AS lines,
       round(regr_slope(quantity, unit_price)::numeric, 5) AS slope, round(regr_intercept(quantity, unit_price)::numeric, 4) AS intercept,
       round(regr_r2(quantity, unit_price)::numeric, 5) AS r2, round(covar_pop(quantity, unit_price)::numeric, 3) AS covariance
FROM retail.order_items;

-- name: Trend of monthly revenue by linear regression
SELECT round(regr_slope(revenue, n)::numeric, 2) AS per_month, round(regr_intercept(revenue, n)::numeric, 2) AS start,
       round((regr_intercept(revenue, n) + regr_slope(revenue, n) * (max(n) + 1))::numeric, 1) AS next_month
FROM (
    SELECT row_number() OVER (ORDER BY date_trunc('month', order_date)) AS n, sum(total_amount)::float8 AS revenue
    FROM retail.orders WHERE status <> 'cancelled' GROUP BY date_trunc('month', order_date)
) AS m;

-- name: Spread of order values by store
SELECT s.name, round(stddev(o.total_amount), 2) AS stddev, round(variance(o.total_amount), 1) AS variance,
       round(stddev_pop(o.total_amount), 2) AS stddev_pop, round(var_samp(o.total_amount), 1) AS var_samp,
       round(stddev(o.total_amount) / avg(o.total_amount), 3) AS coefficient
FROM orders o JOIN stores s USING (store_id)
WHERE o.status <> 'cancelled'
GROUP BY s.name
ORDER BY s.name;

-- name: Outliers more than three deviations above the mean
WITH stats AS (SELECT avg(total_amount) AS mean, stddev(total_amount) AS sd FROM retail.orders WHERE status <> 'cancelled')
SELECT o.order_number, o.order_date, o.total_amount, round((o.total_amount - stats.mean) / stats.sd, 2) AS z
FROM retail.orders o CROSS JOIN stats
WHERE abs(o.total_amount - stats.mean) > 3 * stats.sd AND o.status <> 'cancelled' AND o.order_date >= '2024-01-01'
ORDER BY z DESC, o.order_number, o.store_id;

-- name: Weekly revenue against the neighbours of each week
WITH weekly AS (
    SELECT date_trunc('week', order_date)::date AS week, sum(total_amount) AS revenue
    FROM retail.orders WHERE order_date >= '2026-01-01' GROUP BY 1
)
SELECT week, revenue,
       round(avg(revenue) OVER (ORDER BY week ROWS BETWEEN 2 PRECEDING AND 2 FOLLOWING EXCLUDE CURRENT ROW), 2) AS neighbours,
       lead(week) OVER (ORDER BY week) - week AS days_to_next,
       max(revenue) OVER (ORDER BY week GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING) AS local_peak
FROM weekly
ORDER BY week;

-- name: Sums of same-day groups without ties
SELECT order_date, order_number, total_amount,
       sum(total_amount) OVER (PARTITION BY store_id ORDER BY order_date GROUPS 1 PRECEDING) AS this_and_previous_day,
       count(*) OVER (PARTITION BY store_id, order_date) AS orders_of_the_day,
       sum(total_amount) OVER (ORDER BY order_date RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW EXCLUDE TIES) AS excluding_ties
FROM retail.orders
WHERE order_date >= '2026-06-01'
ORDER BY store_id, order_date, order_number;

-- name: Ranks of all kinds
SELECT t.name, count(*) AS products,
       rank() OVER w AS rank, dense_rank() OVER w AS dense_rank, round((percent_rank() OVER w)::numeric, 4) AS percent_rank,
       round(cume_dist() OVER w::numeric, 4) AS cume_dist
FROM retail.products p JOIN retail.product_types t USING (product_type_id)
GROUP BY t.product_type_id, t.name
WINDOW w AS (ORDER BY count(*) DESC)
ORDER BY rank, t.name;

-- name: Two windows, one built on the other
SELECT month, category, revenue,
       sum(revenue) OVER (by_category ORDER BY month) AS running,
       round(revenue / sum(revenue) OVER by_category * 100, 1) AS percent
FROM (
    SELECT to_char(i.order_date, 'YYYY-MM') AS month, c.name AS category, sum(i.line_total) AS revenue
    FROM retail.order_items i JOIN retail.products p USING (product_id) JOIN retail.product_types t USING (product_type_id)
    JOIN retail.categories c USING (category_id)
    WHERE i.order_date BETWEEN '2026-01-01' AND '2026-06-30'
    GROUP BY 1, 2
) AS m
WINDOW by_category AS (PARTITION BY category)
ORDER BY category, month;

-- name: Best products with ties
SELECT p.name, sum(i.quantity) AS units
FROM retail.order_items i JOIN retail.products p USING (product_id)
WHERE i.order_date >= '2026-01-01'
GROUP BY p.product_id
ORDER BY units DESC
FETCH FIRST 5 ROWS WITH TIES;

-- name: The second page of a product list
SELECT sku, name, base_price FROM products ORDER BY name, sku LIMIT 10 OFFSET 10;

-- name: Rows eleven to twenty, in standard words
SELECT sku, name FROM retail.products ORDER BY sku OFFSET 10 ROWS FETCH NEXT 10 ROWS ONLY;

-- name: Cancelled orders by quarter and their share
SELECT date_trunc('quarter', order_date)::date AS quarter, sum((status = 'cancelled')::int) AS cancelled,
       round(avg(CASE WHEN status = 'cancelled' THEN 100.0 ELSE 0 END), 2) AS percent
FROM retail.orders
GROUP BY 1
HAVING bool_or(status = 'cancelled')
ORDER BY 1;

-- name: Boolean aggregates by store
SELECT s.name, every(o.total_amount > 0) AS all_positive, bool_and(o.status = 'completed') AS all_completed, bool_or(o.customer_id IS NULL) AS some_anonymous,
       bit_or(extract(isodow FROM o.order_date)::int) AS days
FROM retail.stores s JOIN retail.orders o ON o.store_id = s.store_id
GROUP BY s.name
ORDER BY s.name;

-- name: Orders not completed, and those cancelled in the last two years
SELECT o.order_number, o.order_date, o.status, o.total_amount
FROM retail.orders o
WHERE o.status NOT IN ('completed', 'cancelled') OR (o.status = 'cancelled' AND o.order_date >= '2024-07-01')
ORDER BY o.order_date DESC, o.store_id, o.order_number;

-- name: Comparison of rows, to page by key
SELECT order_date, order_number, total_amount
FROM retail.orders
WHERE (order_date, order_number) < (DATE '2026-06-15', 1000000) AND (order_date, order_number) >= (DATE '2026-06-01', 1)
ORDER BY order_date, order_number, store_id;

-- name: Between in either order
SELECT count(*) AS orders, count(*) FILTER (WHERE total_amount NOT BETWEEN SYMMETRIC 200 AND 20) AS unusual
FROM orders WHERE order_date BETWEEN SYMMETRIC '2026-06-30' AND '2026-01-01';

-- name: Nulls told apart
SELECT count(*) FILTER (WHERE customer_id IS NOT DISTINCT FROM NULL) AS anonymous,
       count(*) FILTER (WHERE status IS DISTINCT FROM 'completed') AS not_completed,
       count(*) FILTER (WHERE (total_amount > 100) IS TRUE) AS large,
       count(*) FILTER (WHERE (nullif(total_amount, 0) > 1000000) IS NOT TRUE) AS usual,
       num_nulls(max(customer_id::text), NULL) AS nulls
FROM retail.orders;

-- name: Casts of both kinds
SELECT CAST(sum(total_amount) AS integer) AS dollars, sum(total_amount)::float8 AS precise, count(*)::smallint AS small, CAST(max(order_date) AS text) AS day,
       max(order_date)::timestamp AS midnight, avg(total_amount)::numeric(10, 3) AS average, (count(*) > 0)::text AS any, '42'::int + 1 AS answer,
       int '7' AS seven, bool 'yes' AS yes, 'abc'::varchar(2) AS cut
FROM orders WHERE order_date >= '2026-04-01';

-- name: Mathematics with prices
SELECT p.sku, ceil(p.base_price) AS up, floor(p.base_price) AS down, trunc(p.base_price, 1) AS cut, mod(p.pack_size, 5) AS rest,
       p.pack_size % 7 AS rest_of_seven, power(p.pack_size, 2) AS squared, round(sqrt(p.base_price), 4) AS root, sign(p.base_price - 20) AS side,
       abs(p.cost - p.base_price) AS margin, round(ln(p.base_price), 4) AS log, greatest(p.cost, 5) AS at_least, least(p.cost, 5) AS at_most, gcd(p.pack_size, 12) AS divisor
FROM retail.products p
WHERE p.base_price > 0
ORDER BY p.sku
LIMIT 20;

-- name: Markup in steps
SELECT CASE WHEN markup < 0.3 THEN 'below 30 %' WHEN markup < 0.5 THEN '30 to 50 %' ELSE 'above' END AS step, count(*) AS products, min(markup), max(markup)
FROM (SELECT round(base_price / nullif(cost, 0) - 1, 4) AS markup FROM retail.products) AS m
GROUP BY 1 ORDER BY 3;

-- name: Full text search of products
SELECT sku, name
FROM retail.products
WHERE to_tsvector('english', name || ' ' || description) @@ websearch_to_tsquery('english', 'cordless drill -bit')
ORDER BY sku;

-- name: Full text search with ranking
SELECT p.sku, p.name, round(ts_rank(to_tsvector('english', p.description), q)::numeric, 4) AS score
FROM retail.products p, plainto_tsquery('english', 'steel screws') AS q
WHERE to_tsvector('english', p.description) @@ q
ORDER BY score DESC, p.sku
LIMIT 10;

-- name: Words near to each other
SELECT sku, name FROM products
WHERE to_tsvector('english', description) @@ phraseto_tsquery('english', 'galvanized steel')
   OR to_tsvector('english', name) @@ to_tsquery('english', 'hammer & !tack')
ORDER BY sku;

-- name: Measures turned from columns to rows
SELECT s.name AS store, m.measure, m.value
FROM (
    SELECT store_id, count(*)::numeric AS orders, sum(total_amount) AS revenue, round(avg(total_amount), 2) AS basket
    FROM retail.orders WHERE order_date >= '2026-01-01' AND status <> 'cancelled' GROUP BY store_id
) AS f
JOIN retail.stores s USING (store_id)
CROSS JOIN LATERAL (VALUES ('orders', f.orders), ('revenue', f.revenue), ('basket', f.basket)) AS m (measure, value)
ORDER BY store, measure;

-- name: Several series side by side
SELECT a, b, c FROM ROWS FROM (generate_series(1, 3), unnest(ARRAY['x', 'y']), json_array_elements_text('["p", "q", "r"]')) AS f (a, b, c);

-- name: Quoted names and comments all over
/* What the finance department wants to see,
   with its own headings. */
SELECT "s"."name" AS "Store name", -- as on the door
       SUM("o"."total_amount") AS "Revenue (USD)", count(*) AS "#"
FROM "retail"."orders" AS "o" /* orders; not lines */
JOIN "retail"."stores" AS "s" ON "s"."store_id" = "o"."store_id"
WHERE "o"."status" <> 'cancelled' -- they don't count; really
  AND "o"."order_date" >= '2026-01-01'
GROUP BY "s"."name"
ORDER BY "Revenue (USD)" DESC; -- that is all

-- name: Two semicolons and blank space at the end
SELECT count(*) AS products FROM retail.products WHERE NOT discontinued;;

-- name: A semicolon within a text
SELECT 'one; two' AS text, $$it's; fine$$ AS dollar, count(*) AS stores FROM stores;

-- name: Capitals everywhere
SELECT S.NAME, COUNT(O.ORDER_ID) AS ORDERS FROM RETAIL.STORES S LEFT JOIN RETAIL.ORDERS O ON O.STORE_ID = S.STORE_ID GROUP BY S.NAME ORDER BY S.NAME;

-- name: Columns of two tables with the same name
SELECT p.name, t.name, c.name FROM retail.products p JOIN retail.product_types t USING (product_type_id) JOIN retail.categories c USING (category_id)
ORDER BY p.sku LIMIT 10;

-- name: Everything about some lines
SELECT i.*, p.sku FROM order_items i JOIN products p USING (product_id) WHERE i.order_date = '2026-06-20' ORDER BY i.store_id, i.order_id, i.line_no;

-- name: Sales per region and manager's view of stores
SELECT s.region, count(DISTINCT s.store_id) AS stores, string_agg(DISTINCT s.name, ', ' ORDER BY s.name) AS names, sum(o.total_amount) AS revenue,
       round(sum(o.total_amount) / count(DISTINCT s.store_id), 2) AS per_store
FROM retail.stores s
JOIN retail.orders o ON o.store_id = s.store_id AND o.status <> 'cancelled' AND o.order_date BETWEEN DATE '2026-01-01' AND DATE '2026-06-30'
GROUP BY s.region
ORDER BY revenue DESC, s.region;

-- name: Store ranking by growth
WITH y AS (
    SELECT store_id, sum(total_amount) FILTER (WHERE order_date < '2026-01-01') AS before, sum(total_amount) FILTER (WHERE order_date >= '2026-01-01') AS after
    FROM retail.orders
    WHERE status <> 'cancelled' AND (order_date BETWEEN '2025-01-01' AND '2025-06-30' OR order_date BETWEEN '2026-01-01' AND '2026-06-30')
    GROUP BY store_id
)
SELECT row_number() OVER (ORDER BY y.after / nullif(y.before, 0) DESC NULLS LAST, s.name) AS place, s.name, y.before, y.after,
       CASE WHEN y.after > y.before THEN '▲' WHEN y.after < y.before THEN '▼' ELSE '=' END AS arrow
FROM y JOIN retail.stores s USING (store_id)
ORDER BY place;

-- name: Customers who buy in several stores
SELECT stores, count(*) AS customers
FROM (SELECT customer_id, count(DISTINCT store_id) AS stores FROM retail.customers GROUP BY customer_id) AS c
GROUP BY stores
ORDER BY stores;

-- name: Online against the shops
SELECT CASE WHEN s.is_online THEN 'online' ELSE 'shop' END AS channel, extract(year FROM o.order_date)::int AS year, sum(o.total_amount) AS revenue
FROM retail.orders o JOIN retail.stores s USING (store_id)
WHERE o.status <> 'cancelled'
GROUP BY channel, year
ORDER BY year, channel;

-- name: Weighted average price and the geometric mean
SELECT c.name, round(sum(i.unit_price * i.quantity) / sum(i.quantity), 2) AS weighted, round(exp(avg(ln(i.unit_price))), 2) AS geometric, round(avg(i.unit_price), 2) AS plain
FROM retail.order_items i JOIN retail.products p USING (product_id) JOIN retail.product_types t USING (product_type_id) JOIN retail.categories c USING (category_id)
WHERE i.unit_price > 0
GROUP BY c.name ORDER BY c.name;

-- name: Revenue concentration by the Herfindahl index
WITH shares AS (
    SELECT sum(line_total) / sum(sum(line_total)) OVER () AS share FROM retail.order_items WHERE order_date >= '2025-07-01' GROUP BY product_id
)
SELECT count(*) AS products, round(sum(share ^ 2) * 10000, 1) AS herfindahl, round(max(share) * 100, 2) AS largest_percent FROM shares;

-- name: Repeat purchase rate by first category bought
WITH firsts AS (
    SELECT DISTINCT ON (o.customer_id) o.customer_id, t.category_id
    FROM retail.orders o JOIN retail.order_items i USING (store_id, order_id) JOIN retail.products p USING (product_id)
    JOIN retail.product_types t USING (product_type_id)
    WHERE o.customer_id IS NOT NULL
    ORDER BY o.customer_id, o.ordered_at, o.order_id, i.line_total DESC, i.line_no
), counts AS (
    SELECT customer_id, count(*) AS orders FROM retail.orders WHERE customer_id IS NOT NULL GROUP BY customer_id
)
SELECT c.name AS first_category, count(*) AS customers, round(100.0 * count(*) FILTER (WHERE counts.orders > 1) / count(*), 1) AS came_back
FROM firsts JOIN counts USING (customer_id) JOIN retail.categories c USING (category_id)
GROUP BY c.name
ORDER BY came_back DESC, c.name;

-- name: Lifetime value by year of first order
SELECT first_year, count(*) AS customers, round(avg(spent), 2) AS average, percentile_cont(0.5) WITHIN GROUP (ORDER BY spent) AS median, max(spent) AS highest
FROM (
    SELECT customer_id, extract(year FROM min(order_date))::int AS first_year, sum(total_amount) AS spent
    FROM orders WHERE customer_id IS NOT NULL AND status <> 'cancelled' GROUP BY customer_id
) AS c
GROUP BY first_year ORDER BY first_year;

-- name: Customers active in each of the last three years
SELECT count(*) AS loyal
FROM (
    SELECT customer_id FROM retail.orders
    WHERE order_date >= '2023-01-01' AND order_date < '2026-01-01' AND customer_id IS NOT NULL
    GROUP BY customer_id
    HAVING array_agg(DISTINCT extract(year FROM order_date)::int ORDER BY extract(year FROM order_date)::int) @> ARRAY[2023, 2024, 2025]
) AS l;

-- name: Time since the order before, in words
SELECT o.order_number, o.order_date,
       CASE
           WHEN gap IS NULL THEN 'first order'
           WHEN gap < 30 THEN 'within a month'
           WHEN gap < 365 THEN gap / 30 || ' months later'
           ELSE 'after ' || gap / 365 || ' year(s)'
       END AS came
FROM (
    SELECT order_number, order_date, store_id, order_date - lag(order_date) OVER (PARTITION BY customer_id ORDER BY ordered_at, order_id) AS gap
    FROM retail.orders WHERE customer_id IS NOT NULL
) AS o
WHERE o.order_date >= '2026-06-01'
ORDER BY o.order_date, o.order_number, o.store_id;

-- name: Busy spells, orders within twelve hours of each other
WITH marked AS (
    SELECT store_id, ordered_at, order_id,
           CASE WHEN ordered_at - lag(ordered_at) OVER (PARTITION BY store_id ORDER BY ordered_at, order_id) <= interval '12 hours' THEN 0 ELSE 1 END AS starts
    FROM retail.orders WHERE order_date >= '2026-05-01'
), sessions AS (
    SELECT store_id, ordered_at, sum(starts) OVER (PARTITION BY store_id ORDER BY ordered_at, order_id) AS session FROM marked
)
SELECT s.name, count(DISTINCT session) AS sessions, max(size) AS longest
FROM (SELECT store_id, session, count(*) OVER (PARTITION BY store_id, session) AS size FROM sessions) AS x JOIN retail.stores s USING (store_id)
GROUP BY s.name ORDER BY s.name;

-- name: Price history of a product by month
SELECT date_trunc('month', i.order_date)::date AS month, min(i.unit_price) AS price, max(i.unit_cost) AS cost, count(*) AS lines
FROM retail.order_items AS i
WHERE i.product_id = (SELECT product_id FROM retail.order_items GROUP BY product_id ORDER BY count(*) DESC, product_id LIMIT 1)
GROUP BY 1
ORDER BY 1;

-- name: Months in which the price of a product changed
WITH monthly AS (
    SELECT product_id, date_trunc('month', order_date)::date AS month, max(unit_price) AS price
    FROM retail.order_items GROUP BY 1, 2
), changes AS (
    SELECT product_id, month, price, lag(price) OVER (PARTITION BY product_id ORDER BY month) AS before FROM monthly
)
SELECT p.sku, c.month, c.before, c.price, round((c.price / c.before - 1) * 100, 1) AS percent
FROM changes c JOIN retail.products p USING (product_id)
WHERE c.price <> c.before AND c.month >= '2026-01-01'
ORDER BY abs(c.price / c.before - 1) DESC, p.sku, c.month
LIMIT 20;

-- name: Discontinued products that still lie in stock
SELECT s.name AS store, p.sku, i.stock_level, (i.stock_level * p.cost)::numeric(12, 2) AS value
FROM retail.inventory i JOIN retail.products p USING (product_id) JOIN retail.stores s USING (store_id)
WHERE p.discontinued AND i.stock_level > 0
ORDER BY value DESC, store, p.sku;

-- name: Products another supplier delay would hurt
SELECT p.sku, p.supplier_lead_days, coalesce(sum(x.quantity), 0) AS sold_in_lead_time, i.stock_level,
       i.stock_level - coalesce(sum(x.quantity), 0) AS left_over
FROM retail.inventory i
JOIN retail.products p USING (product_id)
LEFT JOIN retail.order_items x ON x.store_id = i.store_id AND x.product_id = i.product_id AND x.order_date > DATE '2026-06-30' - p.supplier_lead_days * 2
GROUP BY i.store_id, i.product_id, p.product_id, i.stock_level
HAVING i.stock_level < coalesce(sum(x.quantity), 0) + 2
ORDER BY left_over, p.sku, i.store_id
LIMIT 30;

-- name: Inventory health as a scorecard
SELECT s.name,
       count(*) AS products,
       count(*) FILTER (WHERE i.stock_level = 0) AS out_of_stock,
       count(*) FILTER (WHERE i.stock_level > 0 AND i.stock_level <= i.reorder_level) AS low,
       count(*) FILTER (WHERE i.stock_level > 3 * greatest(i.reorder_level, 1)) AS plenty,
       to_char(100.0 * avg((i.stock_level > 0)::int), 'FM990.0') || '%' AS availability
FROM inventory i JOIN stores s USING (store_id)
GROUP BY s.store_id
ORDER BY s.name;

-- name: Best weekday of each category
SELECT category, weekday, revenue
FROM (
    SELECT c.name AS category, trim(to_char(i.order_date, 'Day')) AS weekday, sum(i.line_total) AS revenue,
           rank() OVER (PARTITION BY c.name ORDER BY sum(i.line_total) DESC) AS place
    FROM retail.order_items i, retail.products p, retail.product_types t, retail.categories c
    WHERE i.product_id = p.product_id AND p.product_type_id = t.product_type_id AND t.category_id = c.category_id
    GROUP BY c.name, trim(to_char(i.order_date, 'Day'))
) AS r
WHERE place = 1
ORDER BY category, weekday;

-- name: Yearly revenue with growth in words
SELECT year, revenue, coalesce(to_char(100 * (revenue / lag(revenue) OVER (ORDER BY year) - 1), 'FMS990.0') || ' %', 'first year') AS growth,
       round((revenue / first_value(revenue) OVER (ORDER BY year)) ^ (1.0 / nullif(year - min(year) OVER (), 0)) * 100 - 100, 2) AS compound
FROM (SELECT extract(year FROM order_date)::int AS year, sum(total_amount) AS revenue FROM orders WHERE status <> 'cancelled' AND order_date < '2026-01-01' GROUP BY 1) AS y
ORDER BY year;

-- name: Forecast of this month by the pace so far
WITH june AS (SELECT sum(total_amount) AS so_far FROM retail.orders WHERE order_date BETWEEN '2026-06-01' AND '2026-06-20' AND status <> 'cancelled')
SELECT so_far, round(so_far / 20 * extract(day FROM (date_trunc('month', date '2026-06-20') + interval '1 month - 1 day'))::int, 2) AS forecast,
       (SELECT sum(revenue_target) FROM retail.store_targets WHERE month = '2026-06-01') AS target
FROM june;

-- name: Same weeks of the year side by side
SELECT to_char(order_date, 'IW')::int AS week,
       sum(total_amount) FILTER (WHERE to_char(order_date, 'IYYY') = '2024') AS y2024,
       sum(total_amount) FILTER (WHERE to_char(order_date, 'IYYY') = '2025') AS y2025,
       sum(total_amount) FILTER (WHERE to_char(order_date, 'IYYY') = '2026') AS y2026
FROM retail.orders
WHERE status <> 'cancelled' AND order_date >= '2024-01-01'
GROUP BY week
ORDER BY week;

-- name: A CTE that is not materialized and one that shadows a table
WITH recent AS NOT MATERIALIZED (SELECT * FROM retail.orders WHERE order_date >= '2026-05-01'),
     products AS (SELECT product_id, upper(name) AS name FROM retail.products)
SELECT p.name, count(*) AS lines
FROM recent r JOIN retail.order_items i USING (store_id, order_id) JOIN products p USING (product_id)
GROUP BY p.name
ORDER BY lines DESC, p.name
LIMIT 10;

-- name: Nested queries within a with
WITH a AS (WITH b AS (SELECT name, is_online FROM stores) SELECT name FROM b WHERE is_online IS NOT NULL)
SELECT upper(name) AS store FROM a WHERE name IN (SELECT name FROM a) ORDER BY 1;

-- name: Order lines checked against their orders
SELECT count(*) AS orders, count(*) FILTER (WHERE o.total_amount = lines.amount) AS equal, count(*) FILTER (WHERE o.total_amount <> lines.amount) AS different
FROM retail.orders o
JOIN LATERAL (SELECT sum(i.line_total) AS amount FROM retail.order_items i WHERE (i.store_id, i.order_id) = (o.store_id, o.order_id)) AS lines ON TRUE;

-- name: Scalar queries in the list
SELECT (SELECT count(*) FROM retail.products) AS products, (SELECT max(order_date) FROM retail.orders) AS last_order,
       (SELECT name FROM retail.stores ORDER BY opened_on, name LIMIT 1) AS oldest_store,
       EXISTS (SELECT 1 FROM retail.returns WHERE refund_amount > 50) AS large_refunds,
       ARRAY(SELECT name FROM retail.categories ORDER BY name) AS departments;

-- name: Largest order of each month with its customer
SELECT DISTINCT ON (month) month, order_number, total_amount, coalesce(c.last_name, 'anonymous') AS customer
FROM (SELECT to_char(order_date, 'YYYY-MM') AS month, order_number, total_amount, store_id, customer_id FROM retail.orders WHERE order_date >= '2026-01-01') AS o
LEFT JOIN retail.customers c USING (store_id, customer_id)
ORDER BY month, total_amount DESC, store_id, order_number;

-- name: Customers whose name begins like ours
SELECT c.first_name, c.last_name, c.created_at FROM retail.customers AS c
WHERE c.last_name ILIKE 'S%' AND c.created_at < '2023-01-01'
ORDER BY c.created_at, c.customer_id, c.store_id LIMIT 20;

-- name: Empty answer with columns
SELECT order_number, total_amount, NULL::date AS nothing FROM retail.orders WHERE order_date = '1999-12-31';

-- name: Numbers that a float must not spoil
SELECT 0.1 + 0.2 AS third, 1e3 AS thousand, 12345678901234 AS large, 2::bigint ^ 10 AS power, 7 / 2 AS whole, 7 / 2.0 AS half, -7 % 3 AS rest, 1.50::numeric(5, 2) AS price, 10.00 AS ten;

-- name: Dates as a model likes to group them
SELECT to_char(order_date, '"Week "IW') AS week, to_char(min(order_date), 'Mon DD') || ' - ' || to_char(max(order_date), 'Mon DD') AS days, count(*) AS orders
FROM retail.orders WHERE order_date >= '2026-05-04' AND order_date < '2026-06-29'
GROUP BY week ORDER BY week;

-- name: Share of wallet of the top tenth of customers
WITH ranked AS (
    SELECT sum(total_amount) AS spent, percent_rank() OVER (ORDER BY sum(total_amount) DESC, customer_id) AS place
    FROM retail.orders WHERE customer_id IS NOT NULL AND status <> 'cancelled' GROUP BY customer_id
)
SELECT round(100 * sum(spent) FILTER (WHERE place <= 0.1) / sum(spent), 1) AS top_tenth_percent,
       round(100 * sum(spent) FILTER (WHERE place > 0.5) / sum(spent), 1) AS lower_half_percent FROM ranked;

-- name: Refunds within the same month as the sale
SELECT date_trunc('month', r.returned_on) = date_trunc('month', i.order_date) AS same_month, count(*) AS returns, sum(r.refund_amount) AS refunds,
       round(avg(r.refund_amount / nullif(i.line_total, 0)), 3) AS part_of_line
FROM retail.returns r JOIN retail.order_items i ON ROW(i.store_id, i.order_id, i.line_no) = ROW(r.store_id, r.order_id, r.line_no)
GROUP BY 1 ORDER BY 1;

-- name: Hours the sale of a Saturday took
SELECT order_date, min(ordered_at AT TIME ZONE 'America/Los_Angeles')::time AS first, max(ordered_at AT TIME ZONE 'America/Los_Angeles')::time AS last,
       max(ordered_at) - min(ordered_at) AS span, extract(epoch FROM max(ordered_at) - min(ordered_at)) / 3600 > 4 AS long_day
FROM retail.orders WHERE extract(isodow FROM order_date) = 6 AND order_date >= '2026-05-01'
GROUP BY order_date ORDER BY order_date;

-- name: Discounts and margin by range of discount
SELECT int4range(lo, lo + 10) AS discount, count(*) AS lines, round(avg(1 - i.unit_cost * i.quantity / nullif(i.line_total, 0)), 4) AS margin
FROM generate_series(0, 30, 10) AS lo JOIN order_items i ON i.discount_percent >= lo AND i.discount_percent < lo + 10
GROUP BY lo ORDER BY lo;

-- name: Reorder list as a message to the supplier
SELECT 'Please send ' || string_agg(format_line, E'\n' ORDER BY format_line) AS message
FROM (
    SELECT concat(p.pack_size, ' x ', p.sku, ' (', p.name, ')') AS format_line
    FROM retail.inventory i JOIN retail.products p USING (product_id)
    WHERE i.stock_level = 0 AND p.base_price > 100
) AS lines;

-- name: Quarter on quarter with the quarter named
SELECT extract(year FROM q)::int || '-Q' || extract(quarter FROM q)::int AS quarter, revenue,
       revenue > coalesce(lag(revenue) OVER (ORDER BY q), 0) AS better
FROM (SELECT date_trunc('quarter', order_date) AS q, sum(total_amount) AS revenue FROM retail.orders WHERE status <> 'cancelled' GROUP BY 1) AS s
ORDER BY q DESC LIMIT 8;

-- name: Coverage of the assortment by store and category
SELECT s.name AS store, c.name AS category, count(i.product_id) AS carried, count(*) AS offered, round(count(i.product_id)::numeric / count(*), 2) AS part
FROM stores s
CROSS JOIN products p
JOIN product_types t USING (product_type_id)
JOIN categories c USING (category_id)
LEFT JOIN inventory i ON i.store_id = s.store_id AND i.product_id = p.product_id
GROUP BY s.name, c.name
ORDER BY store, category;

-- name: Delivery days as bits, and other operators on numbers
SELECT p.sku, p.pack_size & 1 AS odd, p.pack_size | 1 AS made_odd, p.pack_size # 3 AS exclusive, p.supplier_lead_days << 1 AS doubled, p.supplier_lead_days >> 1 AS halved,
       @ (p.cost - p.base_price) AS distance, round((||/ p.base_price::float8)::numeric, 4) AS cube_root, round((|/ p.base_price::float8)::numeric, 4) AS root,
       p.name ^@ 'LED' AS led, p.name !~ 'LED' AS not_led, p.name !~* 'led' AS no_led_at_all, p.name NOT LIKE '%Bulb%' AS no_bulb
FROM retail.products AS p
WHERE p.sku LIKE 'ELE-BU%'
ORDER BY p.sku;

-- name: Tags of a text as rows
SELECT tag, count(*) AS products
FROM retail.products AS p CROSS JOIN LATERAL string_to_table(p.sku, '-') AS tag
WHERE tag !~ '^\d+$'
GROUP BY tag
HAVING count(*) > 20
ORDER BY products DESC, tag;

-- name: One JSON object as columns
SELECT r.name, r.budget, r.tags[1] AS first_tag, r.budget > (SELECT sum(total_amount) FROM retail.orders WHERE order_date >= '2026-06-01') AS enough
FROM json_to_record('{"name": "summer", "budget": 2500.50, "tags": ["garden", "paint"]}') AS r (name text, budget numeric, tags text[]);

-- name: Whole rows in JSON and their count
SELECT s.name, count(o.*) AS orders, (json_agg(o ORDER BY o.total_amount DESC, o.order_number) -> 0 ->> 'total_amount')::numeric AS largest,
       (array_agg(o ORDER BY o.ordered_at DESC, o.order_number))[1].order_number AS latest
FROM retail.stores AS s JOIN retail.orders AS o USING (store_id)
WHERE o.order_date >= '2026-06-01'
GROUP BY s.name
ORDER BY s.name;

-- name: Three-valued logic
SELECT coalesce((reason = '')::text, 'unknown') AS empty_reason, count(*) FILTER (WHERE (reason LIKE '%size%') IS NOT UNKNOWN) AS known,
       bool_or(NOT reason = 'Defective' OR NULL) AS others_too
FROM retail.returns GROUP BY 1;

-- name: Parts of a date
SELECT extract(doy FROM d)::int AS day_of_year, extract(week FROM d) AS week, extract(isoyear FROM d) AS iso_year, date_part('decade', d) AS decade, to_char(d, 'Q') AS quarter,
       to_char(d, 'FMDay, FMMonth FMDD, YYYY') AS spelled, d + time '08:30' AS opening, d - interval '1 month 3 days' AS before, d + 2 * interval '1 week' AS later,
       interval 'P1M' / 2 AS half_a_month, extract(hour FROM interval '90 minutes') AS hours, date_trunc('decade', d)::date AS decade_start, (d - 7, d + 7) OVERLAPS (d, interval '1 day') AS near
FROM (VALUES (DATE '2026-06-30'), (DATE '2024-12-30')) AS v (d)
ORDER BY d;

-- name: Clocks that agree within the query
SELECT CURRENT_TIMESTAMP = now() AS same_moment, LOCALTIMESTAMP::date - CURRENT_DATE AS days_apart,
       CURRENT_DATE >= DATE '2020-01-01' AS after_opening, now() - interval '1 day' < transaction_timestamp() AS clock, LOCALTIME IS NOT NULL AND CURRENT_TIME IS NOT NULL AS time
FROM retail.business_settings;

-- name: Free periods between promotions, from a multirange
SELECT lower(free) AS from_day, upper(free) - 1 AS to_day, upper(free) - lower(free) AS days
FROM unnest(datemultirange(daterange('2026-01-01', '2026-07-01'))
            - datemultirange(daterange('2026-02-01', '2026-02-15'), daterange('2026-05-20', '2026-06-01'))) AS free
ORDER BY from_day;

-- name: Products among a list of values, and one of the same type
SELECT p.sku, p.name, (SELECT count(*) - 1 FROM retail.products x WHERE x.product_type_id = p.product_type_id) AS siblings
FROM retail.products p
WHERE p.sku IN (VALUES ('ELE-BATT-001'), ('ELE-BULB-002')) OR p.product_id = ANY (SELECT product_id FROM retail.order_items WHERE quantity >= 20)
ORDER BY p.sku;

-- name: Median days to the second purchase by first month
SELECT to_char(first_day, 'MM') AS month, count(*) AS customers,
       percentile_disc(0.5) WITHIN GROUP (ORDER BY second_day - first_day) FILTER (WHERE second_day IS NOT NULL) AS median_days
FROM (
    SELECT customer_id, (array_agg(order_date ORDER BY ordered_at, order_id))[1] AS first_day, (array_agg(order_date ORDER BY ordered_at, order_id))[2] AS second_day
    FROM retail.orders WHERE customer_id IS NOT NULL AND status <> 'cancelled' GROUP BY customer_id
) AS c
GROUP BY 1 ORDER BY 1;

-- name: A manager's morning report in one row
SELECT json_build_object(
    'yesterday', (SELECT coalesce(sum(total_amount), 0) FROM retail.orders WHERE order_date = DATE '2026-06-29' AND status <> 'cancelled'),
    'same day last year', (SELECT coalesce(sum(total_amount), 0) FROM retail.orders WHERE order_date = DATE '2026-06-29' - interval '1 year' AND status <> 'cancelled'),
    'to reorder', (SELECT count(*) FROM retail.inventory WHERE stock_level <= reorder_level),
    'returns this month', (SELECT row_to_json(r) FROM (SELECT count(*) AS pieces, coalesce(sum(refund_amount), 0) AS refunds FROM retail.returns WHERE returned_on >= '2026-06-01') AS r)
) AS report;
