-- Which stores are there?
SELECT name, location, region, is_online, opened_on FROM retail.stores ORDER BY name;
