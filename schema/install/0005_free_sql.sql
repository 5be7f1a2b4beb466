-- What free SQL may call: named functions, and what stands behind the operators and casts of plain types. Everything
-- else of pg_catalog is closed to it by the step before, so this step, too, needs a superuser. The guard in front of
-- free SQL knows the same names; a test compares the two.
DO $$
DECLARE
    plain_types oid[] := ARRAY(
        SELECT unnest(ARRAY[t.oid, t.typarray])
        FROM pg_type AS t
        WHERE t.typnamespace = 'pg_catalog'::regnamespace
            AND t.typname = ANY (ARRAY[
                'bool', 'int2', 'int4', 'int8', 'float4', 'float8', 'numeric', 'money', 'text', 'varchar', 'bpchar',
                'char', 'name', 'unknown', 'uuid', 'date', 'time', 'timetz', 'timestamp', 'timestamptz', 'interval',
                'json', 'jsonb', 'jsonpath', 'tsvector', 'tsquery', 'regtype', 'regconfig',
                'int4range', 'int8range', 'numrange', 'daterange', 'tsrange', 'tstzrange',
                'int4multirange', 'int8multirange', 'nummultirange', 'datemultirange', 'tsmultirange', 'tstzmultirange',
                'record', 'any', 'anyelement', 'anyarray', 'anynonarray', 'anyrange', 'anymultirange', 'anycompatible',
                'anycompatiblearray', 'anycompatiblenonarray', 'anycompatiblerange', 'anycompatiblemultirange'
            ])
    );
    names text[] := ARRAY[
        -- aggregates and windows
        'any_value', 'array_agg', 'avg', 'bit_and', 'bit_or', 'bit_xor', 'bool_and', 'bool_or', 'corr', 'count',
        'covar_pop', 'covar_samp', 'cume_dist', 'dense_rank', 'every', 'first_value', 'json_agg', 'json_agg_strict',
        'json_object_agg', 'jsonb_agg', 'jsonb_agg_strict', 'jsonb_object_agg', 'lag', 'last_value', 'lead', 'max',
        'min', 'mode', 'nth_value', 'ntile', 'percent_rank', 'percentile_cont', 'percentile_disc', 'range_agg',
        'range_intersect_agg', 'rank', 'regr_avgx', 'regr_avgy', 'regr_count', 'regr_intercept', 'regr_r2',
        'regr_slope', 'regr_sxx', 'regr_sxy', 'regr_syy', 'row_number', 'stddev', 'stddev_pop', 'stddev_samp',
        'string_agg', 'sum', 'var_pop', 'var_samp', 'variance',
        -- numbers
        'abs', 'acos', 'acosd', 'acosh', 'asin', 'asind', 'asinh', 'atan', 'atan2', 'atan2d', 'atand', 'atanh', 'cbrt',
        'ceil', 'ceiling', 'cos', 'cosd', 'cosh', 'cot', 'cotd', 'degrees', 'div', 'erf', 'erfc', 'exp', 'floor', 'gcd',
        'lcm', 'ln', 'log', 'log10', 'min_scale', 'mod', 'pi', 'pow', 'power', 'radians', 'random', 'random_normal',
        'round', 'scale', 'sign', 'sin', 'sind', 'sinh', 'sqrt', 'tan', 'tand', 'tanh', 'trim_scale', 'trunc',
        'width_bucket',
        -- text
        'ascii', 'bit_length', 'btrim', 'casefold', 'char_length', 'character_length', 'chr', 'concat', 'concat_ws',
        'initcap', 'left', 'length', 'like_escape', 'lower', 'ltrim', 'md5', 'octet_length', 'overlay', 'position',
        'quote_ident', 'quote_literal', 'quote_nullable', 'regexp_count', 'regexp_instr', 'regexp_like', 'regexp_match',
        'regexp_matches', 'regexp_replace', 'regexp_split_to_array', 'regexp_split_to_table', 'regexp_substr',
        'reverse', 'right', 'rtrim', 'similar_to_escape', 'starts_with', 'substr', 'substring', 'to_char', 'to_date',
        'to_hex', 'to_number', 'to_timestamp', 'upper',
        -- days and times
        'age', 'clock_timestamp', 'date', 'date_add', 'date_bin', 'date_part', 'date_subtract', 'date_trunc', 'extract',
        'isfinite', 'justify_days', 'justify_hours', 'justify_interval', 'make_date', 'make_interval', 'make_time',
        'make_timestamp', 'make_timestamptz', 'now', 'overlaps', 'statement_timestamp', 'timezone',
        'transaction_timestamp',
        -- arrays, sets and ranges
        'array_append', 'array_cat', 'array_dims', 'array_length', 'array_lower', 'array_ndims', 'array_position',
        'array_positions', 'array_prepend', 'array_remove', 'array_replace', 'array_reverse', 'array_sample',
        'array_shuffle', 'array_sort', 'array_to_string', 'array_upper', 'cardinality', 'datemultirange', 'daterange',
        'generate_series', 'generate_subscripts', 'int4multirange', 'int4range', 'int8multirange', 'int8range',
        'isempty', 'lower_inc', 'lower_inf', 'multirange', 'num_nonnulls', 'num_nulls', 'nummultirange', 'numrange',
        'pg_typeof', 'range_merge', 'trim_array', 'tsmultirange', 'tsrange', 'tstzmultirange', 'tstzrange', 'unnest',
        'upper_inc', 'upper_inf',
        -- JSON
        'array_to_json', 'json_array_elements', 'json_array_elements_text', 'json_array_length', 'json_build_array',
        'json_build_object', 'json_each', 'json_each_text', 'json_extract_path', 'json_extract_path_text', 'json_object',
        'json_object_keys', 'json_populate_record', 'json_strip_nulls', 'json_to_record', 'json_to_recordset',
        'json_typeof', 'jsonb_array_elements', 'jsonb_array_elements_text', 'jsonb_array_length', 'jsonb_build_array',
        'jsonb_build_object', 'jsonb_each', 'jsonb_each_text', 'jsonb_extract_path', 'jsonb_extract_path_text',
        'jsonb_insert', 'jsonb_object', 'jsonb_object_keys', 'jsonb_path_exists', 'jsonb_path_match',
        'jsonb_path_query', 'jsonb_path_query_array', 'jsonb_path_query_first', 'jsonb_pretty', 'jsonb_set',
        'jsonb_strip_nulls', 'jsonb_to_record', 'jsonb_to_recordset', 'jsonb_typeof', 'row_to_json', 'to_json',
        'to_jsonb',
        -- full text
        'numnode', 'setweight', 'strip', 'to_tsvector', 'ts_rank', 'ts_rank_cd'
    ];
    -- Left out: normalize, which sorts a run of accents in the square of its length, uninterrupted.
    -- Without a bound these make a gigabyte, or search one, and no timeout interrupts them. Bounded functions of the
    -- same names lie in sandbox_functions, which free SQL searches first; only they may call the originals.
    unbounded text[] := ARRAY[
        'lpad', 'rpad', 'repeat', 'replace', 'split_part', 'string_to_array', 'string_to_table', 'strpos',
        -- and what stands behind the operators that are bounded there
        'arraycontains', 'arraycontained', 'arrayoverlap', 'jsonb_contains', 'jsonb_contained', 'jsonb_exists_any',
        'jsonb_exists_all', 'pg_column_size',
        'to_tsquery', 'plainto_tsquery', 'phraseto_tsquery', 'websearch_to_tsquery', 'get_current_ts_config', 'translate',
        'textlike', 'textnlike', 'texticlike', 'texticnlike', 'bpcharlike', 'bpcharnlike', 'bpchariclike', 'bpcharicnlike'
    ];
    -- and where only one of a name needs it.
    unbounded_forms oid[] := ARRAY[
        'pg_catalog.jsonb_delete(jsonb, text[])'::regprocedure, 'pg_catalog.power(numeric, numeric)'::regprocedure,
        'pg_catalog.pow(numeric, numeric)'::regprocedure, 'pg_catalog.numeric_power(numeric, numeric)'::regprocedure
    ];
    of_plain_types CONSTANT text := '
        SELECT f.oid, f.proname
        FROM pg_proc AS f
        WHERE f.pronamespace = ''pg_catalog''::regnamespace
            AND f.prokind IN (''f'', ''a'', ''w'')
            AND f.prorettype = ANY ($1)
            AND f.proargtypes::oid[] <@ $1
            AND coalesce(f.proallargtypes, ''{}'') <@ $1';
    allowed text;
BEGIN
    IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        RETURN;  -- said by the step before
    END IF;
    -- What was allowed once and is no longer.
    REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA pg_catalog FROM zava_sandbox, zava_functions;
    EXECUTE '
        SELECT string_agg(plain.oid::regprocedure::text, '', '')
        FROM (' || of_plain_types || ') AS plain
        WHERE plain.proname <> ALL ($3)
            AND plain.oid <> ALL ($4)
            AND (
                plain.proname = ANY ($2)
                OR plain.oid IN (SELECT oprcode FROM pg_operator)
                OR plain.oid IN (SELECT castfunc FROM pg_cast WHERE castsource = ANY ($1) AND casttarget = ANY ($1))
            )
    ' INTO STRICT allowed USING plain_types, names, unbounded, unbounded_forms;
    EXECUTE 'GRANT EXECUTE ON ROUTINE ' || allowed || ' TO zava_sandbox, zava_functions';
    EXECUTE '
        SELECT string_agg(plain.oid::regprocedure::text, '', '')
        FROM (' || of_plain_types || ') AS plain
        WHERE plain.proname = ANY ($2) OR plain.oid = ANY ($3)
    ' INTO STRICT allowed USING plain_types, unbounded, unbounded_forms;
    EXECUTE 'GRANT EXECUTE ON ROUTINE ' || allowed || ' TO zava_functions';

    -- Casts of constants to and from text: PostgreSQL computes them ahead with these, and asks for the right then. Not
    -- of tsquery, whose casts are bounded by other means.
    SELECT string_agg(DISTINCT f.oid::regprocedure::text, ', ') INTO STRICT allowed
    FROM pg_type AS t
    JOIN pg_proc AS f ON f.oid IN (t.typinput, t.typoutput)
    WHERE t.oid = ANY (plain_types) AND t.typtype <> 'p' AND t.typname <> 'tsquery' AND f.provolatile = 'i';
    EXECUTE 'GRANT EXECUTE ON FUNCTION ' || allowed || ' TO zava_sandbox';

    -- Days compared with moments cannot fail, and say nothing of the rows they compare; but PostgreSQL does not know
    -- it of them, and row security then keeps such a comparison away from the index.
    EXECUTE (
        SELECT string_agg(format('ALTER FUNCTION %s LEAKPROOF', o.oprcode::regprocedure), '; ')
        FROM pg_operator AS o
        WHERE o.oprnamespace = 'pg_catalog'::regnamespace
            AND o.oprname IN ('<', '<=', '=', '<>', '>=', '>')
            AND o.oprleft IN ('date'::regtype, 'timestamp'::regtype, 'timestamptz'::regtype)
            AND o.oprright IN ('date'::regtype, 'timestamp'::regtype, 'timestamptz'::regtype)
    );
END
$$;

-- Distances of vectors, where there is pgvector.
DO $$
DECLARE
    allowed text;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'vector') THEN
        RETURN;
    END IF;
    SELECT string_agg(f.oid::regprocedure::text, ', ') INTO allowed
    FROM pg_proc AS f
    WHERE f.pronamespace = 'public'::regnamespace
        AND f.proname IN ('cosine_distance', 'inner_product', 'l2_distance', 'vector_dims', 'vector_norm', 'vector_negative_inner_product')
        AND f.proargtypes::oid[] <@ ARRAY['public.vector'::regtype::oid];
    EXECUTE 'GRANT EXECUTE ON ROUTINE ' || allowed || ' TO zava_sandbox';
EXCEPTION
    WHEN insufficient_privilege THEN
        NULL;  -- without a superuser nothing was taken away either
END
$$;
