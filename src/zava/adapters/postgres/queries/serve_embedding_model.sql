-- Which model do searches use from now on?
UPDATE retail.embedding_models
SET
    active = true,
    completed_at = now()
WHERE model = %(model)s AND NOT active
