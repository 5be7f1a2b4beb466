-- How is a search of products run? By a plan that is kept, and in pgvector's index nearest first, as long as it takes to
-- find enough, but not for so long that looking at all of them would have been faster. Older pgvectors know none of the
-- latter; an index is not made for them.
SELECT
    set_config('plan_cache_mode', 'force_generic_plan', true) AS plan_cache_mode,
    CASE WHEN to_regclass(%(index)s) IS NOT NULL THEN set_config('hnsw.iterative_scan', 'strict_order', true) END AS iterative_scan,
    CASE WHEN to_regclass(%(index)s) IS NOT NULL THEN set_config('hnsw.ef_search', '100', true) END AS ef_search,
    CASE WHEN to_regclass(%(index)s) IS NOT NULL THEN set_config('hnsw.max_scan_tuples', '4000', true) END AS max_scan_tuples
