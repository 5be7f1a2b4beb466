"""Servers that answer over MCP from one PostgreSQL, side by side."""
