// The TypeScript SDK asks for the tools and the performance of a store: node client.mjs URL TOKEN
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const [url, token] = process.argv.slice(2);
const client = new Client({ name: "conformance", version: "1.0.0" });
await client.connect(
  new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers: { Authorization: `Bearer ${token}` } } }),
);
const { tools } = await client.listTools();
const answer = await client.callTool({ name: "get_store_performance", arguments: { period: "last_month" } });
const refused = await client.callTool({ name: "get_store_performance", arguments: { period: "sometime" } });
console.log(JSON.stringify({ tools: tools.map((tool) => tool.name), answer, refused }));
await client.close();
