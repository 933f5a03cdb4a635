"""The MCP server: tools for agents."""
