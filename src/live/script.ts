/**
 * The script of the live page. Text is inserted as text, never as markup: a SKU is any string of a client.
 *
 * @module
 */

/**
 * The content of the page's `<script>`; the content security policy has its hash. It reads the stream by `fetch`, as an
 * `EventSource` cannot send a token. The token is stored in the page only.
 */
export const liveScript = `
"use strict";
const element = (id) => document.getElementById(id);
const number = new Intl.NumberFormat("en", { maximumFractionDigits: 2 });
const written = (value) => value === null ? "unknown" : number.format(value);
const put = (id, value, tone = "") => {
  const place = element(id);
  const text = typeof value === "string" ? value : written(value);
  // Screen readers repeat a status that is written again.
  if (place.textContent !== text) place.textContent = text;
  place.classList.toggle("bad", tone === "bad");
  place.classList.toggle("good", tone === "good");
};
const badAbove0 = (value) => value > 0 ? "bad" : "";
const rates = [];
let token = "";

function show(now) {
  const { sales_per_second: sales, latency_ms: latency, log_lag: lags, shards, sold_out_cache: cache } = now;
  for (const id of ["asked", "accepted", "refused"]) put(id, sales[id]);
  put("failed", sales.failed, badAbove0(sales.failed));
  for (const id of ["p50", "p95", "p99", "max"]) put(id, latency === null ? "–" : latency[id]);
  put("lag", lags === null ? null : lags.reduce((sum, { lag }) => sum + lag, 0));
  put("behind", lags === null ? null : lags.filter(({ lag }) => lag > 0).length);
  put("dead", now.dead_letters, badAbove0(now.dead_letters));
  put("armed", (shards.total - shards.unarmed) + " of " + shards.total, shards.unarmed > 0 ? "bad" : "good");
  put("waiting", now.waiting);
  put("cache", cache.hits);
  element("skus").replaceChildren(...now.top_skus.map(row));
  draw(sales.asked);
  put("at", new Date(now.at).toLocaleTimeString());
  put("state", "live", "good");
}

function row({ sku, units, refused, left }) {
  const line = document.createElement("tr");
  for (const [index, value] of [sku, units, refused, left].entries()) {
    const cell = document.createElement("td");
    cell.textContent = index === 0 ? value : written(value);
    if (index > 0) cell.className = "number";
    line.append(cell);
  }
  return line;
}

function draw(rate) {
  rates.push(rate);
  if (rates.length > 60) rates.shift();
  const peak = Math.max(1, ...rates);
  const first = 60 - rates.length;
  const points = rates.map((value, at) => (first + at) + "," + (98 - 96 * value / peak));
  element("line").setAttribute("points", points.join(" "));
  put("peak", "peak " + written(Math.max(...rates)) + " a second, now " + written(rate));
}

async function read(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const events = (text + value).split("\\n\\n");
    text = events.pop();
    for (const event of events) show(JSON.parse(event.slice("data: ".length)));
  }
}

async function look() {
  for (;;) {
    let waitMs = 3000;
    try {
      const headers = token === "" ? {} : { authorization: "Bearer " + token };
      const response = await fetch("/ops/stream", { headers, cache: "no-store" });
      if (response.status === 401 || response.status === 403) {
        put("state", (await response.json()).detail, "bad");
        element("login").hidden = false;
        element("token").focus();
        return;
      }
      if (response.ok) {
        await read(response.body); // the server ends a stream after a minute
        waitMs = 100;
      } else put("state", (await response.json()).detail, "bad");
    } catch {
      put("state", "no connection", "bad");
    }
    await new Promise((resolve) => setTimeout(resolve, waitMs));
  }
}

element("login").addEventListener("submit", (event) => {
  event.preventDefault();
  token = element("token").value.trim();
  element("login").hidden = true;
  look();
});
look();
`;
