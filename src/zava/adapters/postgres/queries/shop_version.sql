-- Which state are the shop and its policies in, and in which zone does it count its days?
SELECT
    data_version,
    policy_version,
    access.business_time_zone() AS time_zone
FROM access.shop_version()
