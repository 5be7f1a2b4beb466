// Shows the results of tools. Whatever comes from the shop becomes text, never markup.

const NUMBERS = new Set(["int2", "int4", "int8", "numeric", "float4", "float8"]);
const format = new Intl.NumberFormat("en-US");
const days = new Intl.DateTimeFormat("en-US", { dateStyle: "medium", timeZone: "UTC" });

/** A new element: its attributes, then what is in it, strings as text. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** A result as `{summary, body}`: a few words, and elements. */
export function shown(tool, result) {
  if (result.isError) return refusal(textOf(result));
  return SHOWN[tool](result.structuredContent);
}

/** Why there is no answer, in the same form. */
export function refusal(text) {
  return { summary: "refused", body: [element("p", { class: "refusal" }, text)] };
}

/** What an assistant reads of a result. */
export function textOf(result) {
  return result.content.map((part) => part.text ?? "").join("\n");
}

const SHOWN = {
  execute_sales_query: table,
  get_store_performance: performance,
  semantic_search_products: products,
};

function table({ columns, rows, row_count, advice }) {
  const numeric = columns.map((column) => NUMBERS.has(column.type));
  const head = columns.map((column, place) =>
    element("th", { scope: "col", ...(numeric[place] && { class: "number" }) }, column.name));
  // Digits are grouped where numbers are large: a year stays a year.
  const large = columns.map((_, place) => rows.some((row) => Math.abs(row[place]) >= 10_000));
  // JSON drops zeros at the end. Where one amount of a column has cents, the others have them too.
  const written = columns.map((_, place) => new Intl.NumberFormat("en-US", {
    useGrouping: large[place],
    minimumFractionDigits: Math.min(2, Math.max(0, ...rows.map((row) => decimals(row[place])))),
    maximumFractionDigits: 20,
  }));
  const lines = rows.map((row) =>
    element("tr", {}, ...row.map((value, place) => cell(value, numeric[place] && written[place]))));
  const whole = element("table", {}, element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...lines));
  const body = [element("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "Rows" }, whole)];
  if (row_count === 0) body.push(element("p", { class: "quiet" }, "No rows: nothing like that in these stores."));
  if (advice) body.push(element("p", { class: "quiet" }, advice));
  return { summary: counted(row_count, "row"), body };
}

function decimals(value) {
  return /\.(\d+)$/.exec(value)?.[1].length ?? 0;
}

function cell(value, written) {
  if (value === null) return element("td", { class: "quiet" }, "null");
  if (written) return element("td", { class: "number" }, written.format(value));
  return element("td", {}, typeof value === "object" ? JSON.stringify(value) : String(value));
}

function performance({ store, period, metrics, target, top_categories, insights }) {
  const compared = period.compared_with ? `, compared with ${stretch(period.compared_with)}` : "";
  const body = [
    element("p", { class: "quiet" }, `${store.name}, ${stretch(period)}${compared}`),
    element("dl", { class: "tiles" }, ...Object.entries(metrics).map(([name, metric]) => tile(name, metric))),
  ];
  if (target) body.push(progress(target, metrics.revenue.currency));
  if (top_categories.length) body.push(bars(top_categories, metrics.revenue.currency));
  if (insights.length) body.push(
    element("h4", {}, "Findings"),
    element("ul", {}, ...insights.map((insight) => element("li", {}, insight.text))),
  );
  return { summary: `revenue ${figure(metrics.revenue)}`, body };
}

function stretch({ first_day, last_day }) {
  return days.formatRange(new Date(first_day), new Date(last_day));
}

function tile(name, metric) {
  const tile = element("div", {}, element("dt", {}, words(name)), element("dd", {}, figure(metric)));
  if (metric.change !== null) tile.append(element("dd", { class: "change" }, change(metric)));
  return tile;
}

function figure({ value, unit, currency }) {
  if (value === null) return "none";
  return unit === "money" ? money(value, currency) : `${format.format(value)}${unit === "percent" ? " %" : ""}`;
}

function change(metric) {
  const arrow = metric.change > 0 ? "▲" : metric.change < 0 ? "▼" : "=";
  const size = (value) => format.format(Math.abs(value));
  if (metric.unit === "percent") return `${arrow} ${size(metric.change)} points`;
  if (metric.change_percent === null) return `${arrow} ${size(metric.change)}`;
  return `${arrow} ${size(metric.change_percent)} %`;
}

function progress({ revenue_target, reached_percent, days_elapsed_percent }, currency) {
  const text = `${format.format(reached_percent)} % of the target of ${money(revenue_target, currency)} reached, `
    + `${format.format(days_elapsed_percent)} % of the days gone`;
  return element("label", { class: "target" },
    element("span", {}, text),
    element("progress", { max: "100", value: String(Math.min(reached_percent, 100)) }));
}

function bars(sellers, currency) {
  const most = Math.max(...sellers.map((seller) => seller.revenue));
  return element("ol", { class: "bars", "aria-label": "Top categories" }, ...sellers.map((seller) => {
    const bar = element("span", { class: "bar" });
    bar.style.inlineSize = `${Math.max(0, 100 * seller.revenue / most)}%`;
    return element("li", {},
      element("span", {}, seller.name), element("span", { class: "number" }, money(seller.revenue, currency)), bar);
  }));
}

function products({ engine, products }) {
  const found = products.map(({ product, similarity }) => element("li", {},
    element("div", { class: "product" },
      element("strong", {}, product.name), element("span", { class: "number" }, money(product.price, product.currency))),
    element("p", { class: "quiet" },
      [product.sku, product.category, similarity === null ? "by words" : `${similarity} % alike`].join(" · ")),
    element("p", {}, product.description),
    stock(product)));
  const stores = new Set(products.flatMap(({ product }) => product.stock.map(({ store }) => store)));
  return {
    summary: `${counted(products.length, "product")}, stock of ${counted(stores.size, "store")}`,
    body: [
      element("p", { class: "quiet" }, `Found by ${engine}.`),
      element("ol", { class: "products" }, ...found),
    ],
  };
}

function stock(product) {
  const own = product.stock.map(({ store, stock_level }) =>
    element("li", { class: "own" }, `${store} ${format.format(stock_level)}`));
  const elsewhere = (product.elsewhere ?? []).map(({ store, availability }) =>
    element("li", {}, `${store}: ${words(availability).toLowerCase()}`));
  return element("ul", { class: "chips", "aria-label": `Stock of ${product.name}` }, ...own, ...elsewhere);
}

function money(value, currency) {
  return value.toLocaleString("en-US", { style: "currency", currency });
}

function counted(number, thing) {
  return `${format.format(number)} ${thing}${number === 1 ? "" : "s"}`;
}

/** gross_margin_percent becomes "Gross margin %". */
export function words(name) {
  const spaced = name.replace(/_percent$/, " %").replaceAll("_", " ");
  return spaced.charAt(0).toUpperCase() + spaced.slice(1);
}
