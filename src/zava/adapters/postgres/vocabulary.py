"""The words of SQL that free queries may use. What is not listed is refused."""

# As granted in schema/install/0005_free_sql.sql; a contract test compares them with what PostgreSQL lets free SQL call.
FUNCTIONS = frozenset(
    """
    any_value array_agg avg bit_and bit_or bit_xor bool_and bool_or corr count covar_pop covar_samp cume_dist dense_rank
    every first_value json_agg json_agg_strict json_object_agg jsonb_agg jsonb_agg_strict jsonb_object_agg lag
    last_value lead max min mode nth_value ntile percent_rank percentile_cont percentile_disc range_agg
    range_intersect_agg rank regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy
    row_number stddev stddev_pop stddev_samp string_agg sum var_pop var_samp variance

    abs acos acosd acosh asin asind asinh atan atan2 atan2d atand atanh cbrt ceil ceiling cos cosd cosh cot cotd degrees
    div erf erfc exp floor gcd lcm ln log log10 min_scale mod pi radians random random_normal round scale sign
    sin sind sinh sqrt tan tand tanh trim_scale trunc width_bucket

    ascii bit_length btrim casefold char_length character_length chr concat concat_ws initcap left length like_escape
    lower ltrim md5 octet_length overlay position quote_ident quote_literal quote_nullable regexp_count regexp_instr
    regexp_like regexp_match regexp_matches regexp_replace regexp_split_to_array regexp_split_to_table regexp_substr
    reverse right rtrim similar_to_escape starts_with substr substring to_char to_date to_hex to_number to_timestamp
    upper

    age clock_timestamp date date_add date_bin date_part date_subtract date_trunc extract isfinite justify_days
    justify_hours justify_interval make_date make_interval make_time make_timestamp make_timestamptz now overlaps
    statement_timestamp timezone transaction_timestamp

    array_append array_cat array_dims array_length array_lower array_ndims array_position array_positions array_prepend
    array_remove array_replace array_reverse array_sample array_shuffle array_sort array_to_string array_upper
    cardinality datemultirange daterange generate_series generate_subscripts int4multirange int4range int8multirange
    int8range isempty lower_inc lower_inf multirange num_nonnulls num_nulls nummultirange numrange pg_typeof range_merge
    trim_array tsmultirange tsrange tstzmultirange tstzrange unnest upper_inc upper_inf

    array_to_json json_array_elements json_array_elements_text json_array_length json_build_array json_build_object
    json_each json_each_text json_extract_path json_extract_path_text json_object json_object_keys json_populate_record
    json_strip_nulls json_to_record json_to_recordset json_typeof jsonb_array_elements jsonb_array_elements_text
    jsonb_array_length jsonb_build_array jsonb_build_object jsonb_each jsonb_each_text jsonb_extract_path
    jsonb_extract_path_text jsonb_insert jsonb_object jsonb_object_keys jsonb_path_exists jsonb_path_match
    jsonb_path_query jsonb_path_query_array jsonb_path_query_first jsonb_pretty jsonb_set jsonb_strip_nulls
    jsonb_to_record jsonb_to_recordset jsonb_typeof row_to_json to_json to_jsonb

    numnode setweight strip to_tsvector ts_rank ts_rank_cd
    """.split()
)

# In sandbox_functions, where they bound what PostgreSQL's own of that name do not. pg_catalog.lpad would miss them.
BOUNDED = frozenset(
    """
    lpad phraseto_tsquery plainto_tsquery pow power replace repeat rpad split_part string_to_array string_to_table
    strpos to_tsquery translate websearch_to_tsquery
    """.split()
)

# Keywords of the grammar, behind which PostgreSQL's own functions stand and no bounded ones: the part or the set that
# they look for must be a short text that is written out. What to write when it is not.
WRITTEN_OUT = {
    "position": "strpos(text, part)",
    "btrim": "btrim(text, characters)",
    "ltrim": "ltrim(text, characters)",
    "rtrim": "rtrim(text, characters)",
}

# Where there is pgvector.
VECTOR_FUNCTIONS = frozenset("cosine_distance inner_product l2_distance vector_dims vector_norm".split())

# Our own, in the schema of the shop.
SHOP_FUNCTIONS = frozenset(("search_products_by_description",))

OPERATORS = frozenset(
    """
    + - * / % ^ |/ ||/ @ & | # << >>
    = <> != < > <= >= ||
    ~~ !~~ ~~* !~~* ~ ~* !~ !~* ^@
    -> ->> #> #>> #- @> <@ ? ?| ?& @? @@ && -|- &< &> !!
    <=> <-> <#>
    """.split()
)

# In sandbox_functions too, for some types: OPERATOR(pg_catalog.@>) would miss the bound.
BOUNDED_OPERATORS = frozenset("@> <@ && ?| ?& - ^ ~~ !~~ ~~* !~~*".split())

# How the grammar names comparisons that are written in words.
WORDED_OPERATORS = frozenset(("BETWEEN", "NOT BETWEEN", "BETWEEN SYMMETRIC", "NOT BETWEEN SYMMETRIC"))

TYPES = frozenset(
    """
    bool boolean int2 smallint int4 int integer int8 bigint float4 real float8 numeric decimal money
    text varchar bpchar char name uuid date time timetz timestamp timestamptz interval json jsonb jsonpath
    int4range int8range numrange daterange tsrange tstzrange int4multirange int8multirange nummultirange datemultirange
    tsmultirange tstzmultirange tsvector vector
    """.split()
)

SYSTEM_COLUMNS = frozenset("ctid xmin xmax cmin cmax tableoid".split())
