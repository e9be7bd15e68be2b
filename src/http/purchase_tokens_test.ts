import { equal, notEqual } from "node:assert/strict";
import { createHmac } from "node:crypto";
import { realWorld } from "../world.ts";
import { PurchaseTokens } from "./purchase_tokens.ts";

const [key, otherKey] = ["k".repeat(32), "o".repeat(32)] as const;

function tokensAt(nowMs: number, keys: readonly string[] = [key]): PurchaseTokens {
  return new PurchaseTokens(keys, { ...realWorld, now: () => nowMs });
}

Deno.test("a token is good for its order and its user until it expires, also more than once", () => {
  const { token, expiresAtMs } = tokensAt(1_000_500).issue("o1", "u1", 60);
  equal(expiresAtMs, 1_060_000);
  const before = tokensAt(expiresAtMs - 1);
  equal(before.judge(token, "o1", "u1"), "valid");
  equal(before.judge(token, "o1", "u1"), "valid");
  equal(before.judge(token, "o2", "u1"), "invalid");
  equal(before.judge(token, "o1", "u2"), "invalid");
  equal(before.judge(null, "o1", "u1"), "none");
  equal(tokensAt(expiresAtMs).judge(token, "o1", "u1"), "invalid");
});

Deno.test("who has the key can make tokens by the documented format", () => {
  const payload = btoa('{"order_id":"o1","user_id":"u1","exp":2000}').replaceAll("=", "");
  const mac = createHmac("sha256", key).update(payload).digest("base64url");
  equal(tokensAt(1_999_999).judge(`${payload}.${mac}`, "o1", "u1"), "valid");
  notEqual(tokensAt(2_000_000).judge(`${payload}.${mac}`, "o1", "u1"), "valid");
});

Deno.test("a signed payload that is none of ours is invalid, not an error", () => {
  for (const text of ["", "x", "null", "[]", "{}", '{"order_id":"o1","user_id":"u1"}']) {
    const payload = btoa(text).replaceAll("=", "");
    const mac = createHmac("sha256", key).update(payload).digest("base64url");
    equal(tokensAt(0).judge(`${payload}.${mac}`, "o1", "u1"), "invalid", text);
  }
});

Deno.test("the longest ids fit into a token", () => {
  const tokens = tokensAt(0);
  for (const id of ['"'.repeat(128), "🎫".repeat(32), "é".repeat(64)]) {
    equal(tokens.judge(tokens.issue(id, id, 600).token, id, id), "valid");
  }
});

Deno.test("keys can change: a token of the old key is known while the new one signs", () => {
  const old = tokensAt(0).issue("o1", "u1", 60).token;
  const both = tokensAt(0, [otherKey, key]);
  equal(both.judge(old, "o1", "u1"), "valid");
  const fresh = both.issue("o1", "u1", 60).token;
  equal(tokensAt(0).judge(fresh, "o1", "u1"), "invalid");
  equal(tokensAt(0, [otherKey]).judge(fresh, "o1", "u1"), "valid");
});

Deno.test("a token that was changed anywhere, or is none at all, is invalid", () => {
  const tokens = tokensAt(0);
  const { token } = tokens.issue("o1", "u1", 60);
  const [payload = "", mac = ""] = token.split(".");
  const forged = btoa('{"order_id":"o1","user_id":"u1","exp":9999999999}').replaceAll("=", "");
  const changed = [
    "",
    ".",
    "a.b",
    payload,
    `${payload}.`,
    `.${mac}`,
    `${forged}.${mac}`,
    `${payload}.${mac.slice(1)}`,
    `${payload}.${mac}.${mac}`,
    `${payload}x.${mac}`,
    `${mac}.${payload}`,
    `x${token}`,
    "x".repeat(100_000),
  ];
  for (const text of changed) equal(tokens.judge(text, "o1", "u1"), "invalid", text.slice(0, 60));
});
