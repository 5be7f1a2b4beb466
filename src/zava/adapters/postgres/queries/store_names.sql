-- Which stores are there?
SELECT name FROM retail.stores ORDER BY name
