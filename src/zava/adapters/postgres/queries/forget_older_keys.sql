-- Which keys of servers are older than the current one and the one before it? They are forgotten.
DELETE FROM access.keys
WHERE key_id NOT IN ('seal', %(key_id)s)
    AND key_id NOT IN (
        SELECT previous.key_id
        FROM access.keys AS previous
        WHERE previous.key_id NOT IN ('seal', %(key_id)s)
        ORDER BY previous.created_at DESC
        LIMIT 1
    )
