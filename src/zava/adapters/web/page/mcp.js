// Calls tools of the MCP server that served this page: one POST a call, without a session.

const VERSION = "2026-07-28";
const ABOUT = {
  "io.modelcontextprotocol/protocolVersion": VERSION,
  "io.modelcontextprotocol/clientCapabilities": {},
  "io.modelcontextprotocol/clientInfo": { name: "zava-welcome-page", version: "1" },
};
let calls = 0;

/** The result of a call, as whoever has this token. Throws an Error that says why there is none. */
export async function callTool(token, name, args) {
  const response = await fetch("/mcp", {
    method: "POST",
    headers: {
      "Accept": "application/json, text/event-stream",
      "Authorization": `Bearer ${token}`,
      "Content-Type": "application/json",
      "MCP-Protocol-Version": VERSION,
      "Mcp-Method": "tools/call",
      "Mcp-Name": name,
    },
    body: JSON.stringify({
      jsonrpc: "2.0",
      id: ++calls,
      method: "tools/call",
      params: { name, arguments: args, _meta: ABOUT },
    }),
  }).catch(() => { throw new Error("The server does not answer. Is it still running?"); });
  const message = await response.json()
    .catch(() => { throw new Error(`The server answered with HTTP ${response.status}, and not as expected.`); });
  if (message.result) return message.result;
  throw new Error(message.error?.message ?? message.error_description ?? `The server answered with HTTP ${response.status}.`);
}
