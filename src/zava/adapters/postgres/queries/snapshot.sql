-- Which state of the shop does this transaction see, by which policies, and with what rights?
SELECT
    data_version,
    policy_version,
    access.my_rights() AS rights,
    transaction_timestamp() AS as_of
FROM access.shop_version()
