-- Which models do searches use no longer? First, since two cannot be active at any time.
UPDATE retail.embedding_models
SET active = false
WHERE model <> %(model)s AND active
