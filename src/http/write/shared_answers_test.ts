import { deepEqual, equal, notEqual } from "node:assert/strict";
import { jsonPost, routesUnderTest } from "../../../tests/http/scripted_inventory.ts";
import type { Outcome } from "../../domain/outcome.ts";
import { problem } from "./problem.ts";
import { refusal } from "./refusal.ts";
import { SharedAnswers, sharedSkusMax } from "./shared_answers.ts";

const path = "/api/v1/inventory/deduct";
const asked = { command: "deduct", id: { order_id: "o" }, nowMs: 0, token: "none" } as const;
const order = { sku: "S", user_id: "u", order_id: "o", amount: 1 };

Deno.test("shared answers: every buyer of a SKU gets the same refusal, until it changes", () => {
  const cases: readonly (readonly [Outcome, Outcome])[] = [
    [{ kind: "insufficient", sku: "S", available: 0 }, { kind: "insufficient", sku: "S", available: 1 }],
    [{ kind: "paused", sku: "S" }, { kind: "insufficient", sku: "S", available: 0 }],
    [{ kind: "not_open", sku: "S", opensAtMs: 1000 }, { kind: "not_open", sku: "S", opensAtMs: 2000 }],
    [{ kind: "sale_closed", sku: "S", closesAtMs: 1 }, { kind: "not_open", sku: "S", opensAtMs: 1 }],
    [{ kind: "paused", sku: "S" }, { kind: "paused", sku: "T" }],
  ];
  for (const [one, other] of cases) {
    const first = refusal(one, asked);
    equal(refusal(one, { ...asked, id: { order_id: "another" } }), first);
    notEqual(JSON.stringify(refusal(other, asked)), JSON.stringify(first));
    deepEqual(refusal(one, asked), first);
  }
});

Deno.test("shared answers: each response has its own body, and the headers of its own request", async () => {
  const env = { CORS_ORIGINS: "https://shop.example", RATE_LIMIT: "9/60" };
  const { send, inventory } = routesUnderTest(env, { remoteAddr: { hostname: "203.0.113.7" } });
  inventory.decide = () => ({ kind: "insufficient", sku: "S", available: 0 });
  const fromPage = await send(path, jsonPost(order, { origin: "https://shop.example" }));
  const other = await send(path, jsonPost({ ...order, order_id: "p" }));
  const headersOf = ({ headers }: Response) => [
    headers.get("content-type"),
    headers.get("access-control-allow-origin"),
    headers.get("vary"),
    headers.get("ratelimit"),
  ];
  deepEqual(headersOf(fromPage), [
    "application/problem+json",
    "https://shop.example",
    "origin",
    '"buyer";r=8;t=7',
  ]);
  deepEqual(headersOf(other), ["application/problem+json", null, "origin", '"buyer";r=7;t=7']);
  const [body, same] = [await fromPage.json(), await other.json()];
  deepEqual([body.code, body.sku, body.available], ["insufficient_stock", "S", 0]);
  deepEqual(same, body);
});

Deno.test("shared answers: a page's headers stay out of the next response", async () => {
  const { send, inventory } = routesUnderTest({ CORS_ORIGINS: "https://shop.example" });
  inventory.decide = () => ({ kind: "insufficient", sku: "clone", available: 0 });
  const seen = [];
  for (const origin of ["https://shop.example", "https://other.example", "https://shop.example"]) {
    const response = await send(path, jsonPost(order, { origin }));
    const { status, headers } = response;
    const { available } = await response.json();
    seen.push([status, available, headers.get("access-control-allow-origin"), headers.get("vary")]);
  }
  deepEqual(seen, [
    [409, 0, "https://shop.example", "origin"],
    [409, 0, null, "origin"],
    [409, 0, "https://shop.example", "origin"],
  ]);
});

Deno.test("shared answers: a thousand SKUs, then the oldest goes", () => {
  const answers = new SharedAnswers();
  let made = 0;
  const ask = (sku: string) =>
    answers.get(sku, "paused", 0, () => {
      made++;
      return problem("sku_paused", sku);
    });
  for (let i = 0; i <= sharedSkusMax; i++) ask(`S${i}`);
  equal(answers.size, sharedSkusMax);
  ask("S1");
  equal(made, sharedSkusMax + 1);
  ask("S0");
  deepEqual([made, answers.size], [sharedSkusMax + 2, sharedSkusMax]);
});
