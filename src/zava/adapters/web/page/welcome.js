// The page of the sample shop: who asks, what they ask, and the answers side by side.

import { element, refusal, shown, textOf, words } from "./answers.js";
import { callTool } from "./mcp.js";

const HEALTH_EVERY = 10_000;
const COPIED_FOR = 2_000;

const EXAMPLES = {
  "Orders by store": `SELECT s.name AS store, count(*) AS orders, sum(o.total_amount) AS amount
FROM orders AS o
JOIN stores AS s USING (store_id)
GROUP BY s.name
ORDER BY amount DESC`,
  "Newest customers": `SELECT s.name AS store, c.first_name, c.last_name, c.email
FROM customers AS c
JOIN stores AS s USING (store_id)
ORDER BY c.created_at DESC
LIMIT 8`,
  "Only Tacoma": `SELECT o.order_number, o.order_date, o.total_amount
FROM orders AS o
JOIN stores AS s USING (store_id)
WHERE s.name = 'Tacoma'
ORDER BY o.ordered_at DESC
LIMIT 8`,
  "Change something": "DELETE FROM orders",
};

const find = (id) => document.getElementById(id);
const ask = find("ask");
const checked = (name) => document.querySelector(`input[name="${name}"]:checked`).value;

let healthSeen;
let people;
let clients;
let asked = { key: "", answers: new Map(), waiting: false };

start();

async function start() {
  watchHealth();
  const about = await fetch("/welcome/about.json").then((response) => response.json());
  ({ people, clients } = about);
  find("version").textContent = about.version;
  find("address").textContent = about.url;
  showChoices();
  ask.addEventListener("change", showPerson);
  ask.addEventListener("submit", (event) => { event.preventDefault(); askNow(); });
  ask.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) ask.requestSubmit();
  });
  find("clients").addEventListener("change", showConfiguration);
  find("copy-address").addEventListener("click", (event) => copy("address", event.target));
  find("copy-configuration").addEventListener("click", (event) => copy("configuration", event.target));
  showPerson();
}

// Who and what

function showChoices() {
  const single = people.filter((person) => person.stores.length === 1);
  for (const person of people) find("people").append(choice("person", person.token, person === single[0],
    element("span", {}, person.name), element("span", { class: "quiet" }, storesOf(person))));
  for (const client of clients) find("clients").append(choice("client", client.name, client === clients[0], client.name));
  for (const [store] of single.map((person) => person.stores)) find("store").append(element("option", {}, store));
  for (const [name, sql] of Object.entries(EXAMPLES)) {
    const button = element("button", { type: "button" }, name);
    button.addEventListener("click", () => { find("sql").value = sql; });
    find("examples").append(button);
  }
  find("sql").value = Object.values(EXAMPLES)[0];
}

function choice(name, value, isChosen, ...label) {
  const input = element("input", { type: "radio", name, value });
  input.checked = isChosen;
  return element("label", {}, input, " ", ...label);
}

function storesOf({ stores }) {
  if (stores.length === 0) return "every store";
  return stores.length === 1 ? "1 store" : `${stores.length} stores`;
}

function asking() {
  return people.find((person) => person.token === checked("person"));
}

function showPerson() {
  find("submit").textContent = `Ask as ${asking().name}`;
  showConfiguration();
}

function question() {
  const fields = new FormData(ask);
  switch (fields.get("kind")) {
    case "query":
      return { tool: "execute_sales_query", args: { postgresql_query: fields.get("sql") } };
    case "performance":
      return {
        tool: "get_store_performance",
        args: { period: fields.get("period"), ...(fields.get("store") && { store: fields.get("store") }) },
      };
    default:
      return { tool: "semantic_search_products", args: { query_description: fields.get("need"), max_rows: 5 } };
  }
}

// Answers

async function askNow() {
  if (asked.waiting) return;
  const { tool, args } = question();
  const person = asking();
  const key = JSON.stringify([tool, args]);
  if (key !== asked.key) asked = { key, answers: new Map(), waiting: false };
  setWaiting(true);
  const started = performance.now();
  const answer = await callTool(person.token, tool, args)
    .then((result) => ({ ...shown(tool, result), read: textOf(result) }))
    .catch((error) => ({ ...refusal(error.message), read: error.message }));
  const milliseconds = Math.round(performance.now() - started);
  asked.answers.set(person, { summary: answer.summary, card: card(person, answer, milliseconds, { name: tool, arguments: args }) });
  setWaiting(false);
  showAnswers(person);
}

function setWaiting(waiting) {
  asked.waiting = waiting;
  find("submit").setAttribute("aria-disabled", String(waiting));
  ask.setAttribute("aria-busy", String(waiting));
}

function showAnswers(newest) {
  const cards = [...asked.answers.values()].map((answer) => answer.card);
  if (cards.length === 1) cards.push(invitation(newest));
  find("answers").replaceChildren(...cards);
  const said = [...asked.answers].map(([person, answer]) => `${answer.summary} for ${person.name}`).join("; ");
  find("verdict").textContent = `${asked.answers.size > 1 ? "The same question: " : ""}${said}.`;
  asked.answers.get(newest).card.scrollIntoView({ block: "nearest" });
}

function card(person, answer, milliseconds, sent) {
  return element("article", { class: "card answer", "aria-label": `Answer to ${person.name}` },
    element("hgroup", {},
      element("h3", {}, person.name),
      element("p", { class: "badge" }, `${answer.summary} · ${milliseconds} ms`)),
    ...answer.body,
    fold("What the assistant reads", answer.read),
    fold("What was sent", JSON.stringify(sent, null, 2)));
}

function fold(title, text) {
  return element("details", {}, element("summary", {}, title),
    element("pre", { tabindex: "0", role: "group", "aria-label": title }, text));
}

/** Asks the same as the person who sees most, or as one who sees little. */
function invitation(person) {
  const other = person === people[0] ? people.find(({ stores }) => stores.length === 1) : people[0];
  const button = element("button", { type: "button", class: "main" }, `Ask the same as ${other.name}`);
  button.addEventListener("click", () => {
    document.querySelector(`input[name="person"][value="${CSS.escape(other.token)}"]`).checked = true;
    showPerson();
    askNow();
  });
  return element("div", { class: "invitation" }, element("p", {}, "What does somebody else see?"), button);
}

// Configurations

function showConfiguration() {
  const client = clients.find(({ name }) => name === checked("client"));
  find("client-note").textContent = [`Goes into ${client.place}.`, client.note].join(" ").trim();
  find("client-person").textContent = asking().name;
  find("configuration").textContent = client.texts[asking().token];
}

async function copy(id, button) {
  const said = await navigator.clipboard.writeText(find(id).textContent).then(
    () => "Copied",
    () => {
      getSelection().selectAllChildren(find(id));
      return "Selected: copy it with your keyboard";
    },
  );
  const label = button.dataset.label ??= button.textContent;
  button.textContent = said;
  find("said").textContent = said;
  setTimeout(() => { button.textContent = label; find("said").textContent = ""; }, COPIED_FOR);
}

// Health

async function watchHealth() {
  if (!document.hidden) await showHealth();
  setTimeout(watchHealth, HEALTH_EVERY);
}

async function showHealth() {
  const { status, parts } = await fetch("/health/ready").then((response) => response.json())
    .catch(() => ({ status: "not reachable", parts: {} }));
  // What has not changed is not said again to those who hear it, and stays selected.
  const seen = JSON.stringify([status, parts]);
  if (seen === healthSeen) return;
  healthSeen = seen;
  const health = find("health");
  health.textContent = { healthy: "Healthy", degraded: "Goes on with less", unhealthy: "Not healthy" }[status] ?? "Not reachable";
  health.dataset.state = status;
  find("parts").replaceChildren(...Object.entries(parts).map(([name, state]) =>
    element("li", { "data-state": state.split(":")[0] },
      element("span", {}, words(name)), element("span", { class: "quiet" }, state))));
}
