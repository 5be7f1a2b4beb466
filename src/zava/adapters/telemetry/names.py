"""Names of the semantic conventions. Those that are not stable yet are written out: their constants move about."""

from opentelemetry.semconv.attributes import db_attributes, error_attributes, server_attributes

DB_NAMESPACE = db_attributes.DB_NAMESPACE
DB_OPERATION_BATCH_SIZE = db_attributes.DB_OPERATION_BATCH_SIZE
DB_OPERATION_NAME = db_attributes.DB_OPERATION_NAME
DB_QUERY_SUMMARY = db_attributes.DB_QUERY_SUMMARY
DB_QUERY_TEXT = db_attributes.DB_QUERY_TEXT
DB_RETURNED_ROWS = "db.response.returned_rows"
DB_STATUS_CODE = db_attributes.DB_RESPONSE_STATUS_CODE
DB_SYSTEM_NAME = db_attributes.DB_SYSTEM_NAME
DB_POOL_NAME = "db.client.connection.pool.name"
DB_POOL_STATE = "db.client.connection.state"
ERROR_TYPE = error_attributes.ERROR_TYPE
SERVER_ADDRESS = server_attributes.SERVER_ADDRESS
SERVER_PORT = server_attributes.SERVER_PORT
GEN_AI_MODEL = "gen_ai.request.model"
GEN_AI_OPERATION = "gen_ai.operation.name"
GEN_AI_PROVIDER = "gen_ai.provider.name"
GEN_AI_TOKEN_TYPE = "gen_ai.token.type"  # noqa: S105 - what kind of tokens
GEN_AI_TOOL = "gen_ai.tool.name"
GEN_AI_PROMPT = "gen_ai.prompt.name"
MCP_METHOD = "mcp.method.name"
# Zava's own.
CACHE_NAME = "cache.name"
CACHE_RESULT = "cache.result"
PRINCIPAL_ID = "principal.id"
