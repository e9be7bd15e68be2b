import { equal, notEqual, ok } from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHmac } from "node:crypto";
import { realWorld } from "../../runtime/world.ts";
import { type IssuedToken, type Purchase, PurchaseTokens, tokenCharsMax } from "./purchase_tokens.ts";

const [key, otherKey] = ["k".repeat(32), "o".repeat(32)] as const;

function tokensAt(
  nowMs: number,
  keys: readonly string[] = [key],
  deployment: string | null = "shop",
): PurchaseTokens {
  return new PurchaseTokens(keys, () => deployment, { ...realWorld, now: () => nowMs });
}

/** A purchase of one unit of each SKU, or of these units. */
function purchase(orderId: string, userId: string, units: Record<string, number> = { HOT: 1 }): Purchase {
  return { orderId, userId, lines: Object.entries(units).map(([sku, amount]) => ({ sku, amount })) };
}

function issue(tokens: PurchaseTokens, wanted: Purchase, ttlS = 60): IssuedToken {
  const issued = tokens.issue(wanted, ttlS);
  if (typeof issued === "string") throw new RangeError(`Cannot issue a token: ${issued}`);
  return issued;
}

function signed(text: string): string {
  const payload = Buffer.from(text).toString("base64url");
  return `${payload}.${createHmac("sha256", key).update(payload).digest("base64url")}`;
}

Deno.test("a token is good for its order and its user until it expires, also more than once", () => {
  const { token, expiresAtMs } = issue(tokensAt(1_000_500), purchase("o1", "u1"));
  equal(expiresAtMs, 1_060_000);
  const before = tokensAt(expiresAtMs - 1);
  equal(before.judge(token, purchase("o1", "u1")), "valid");
  equal(before.judge(token, purchase("o1", "u1")), "valid");
  equal(before.judge(token, purchase("o2", "u1")), "invalid");
  equal(before.judge(token, purchase("o1", "u2")), "invalid");
  equal(before.judge(null, purchase("o1", "u1")), "none");
  equal(tokensAt(expiresAtMs).judge(token, purchase("o1", "u1")), "invalid");
});

Deno.test("a token buys the SKUs that it names, up to their units, and nothing else", () => {
  const tokens = tokensAt(0);
  const { token } = issue(tokens, purchase("o1", "u1", { HOT: 2, WARM: 1 }));
  const verdict = (units: Record<string, number>) => tokens.judge(token, purchase("o1", "u1", units));
  for (
    const units of [{ HOT: 1 }, { HOT: 2 }, { WARM: 1 }, { WARM: 1, HOT: 2 }] as Record<string, number>[]
  ) {
    equal(verdict(units), "valid", JSON.stringify(units));
  }
  const others: Record<string, number>[] = [
    ...[{ HOT: 3 }, { COLD: 1 }, { COLD: 5000 }, { HOT: 1, COLD: 1 }, { HOT: 2, WARM: 2 }],
    ...[{ hot: 1 }, { "HOT ": 1 }, { length: 1 }, { ["__proto__"]: 1 }],
  ];
  for (const units of others) equal(verdict(units), "invalid", JSON.stringify(units));
});

Deno.test("a token of another deployment is of no use, also with the same key", () => {
  const { token } = issue(tokensAt(0, [key], "staging"), purchase("o1", "u1"));
  equal(tokensAt(0, [key], "shop").judge(token, purchase("o1", "u1")), "invalid");
  equal(tokensAt(0, [key], "staging").judge(token, purchase("o1", "u1")), "valid");
});

Deno.test("until the deployment is known no token is issued or judged", () => {
  const { token } = issue(tokensAt(0), purchase("o1", "u1"));
  const early = tokensAt(0, [key], null);
  equal(early.issue(purchase("o1", "u1"), 60), "undecided");
  equal(early.judge(token, purchase("o1", "u1")), "undecided");
  equal(early.judge(null, purchase("o1", "u1")), "none");
});

Deno.test("a token of the format before, with a namespace, is invalid", () => {
  const token = signed(
    '{"namespace":"shop","order_id":"o1","user_id":"u1","lines":[["HOT",1]],"exp":9999999999}',
  );
  equal(tokensAt(0).judge(token, purchase("o1", "u1")), "invalid");
  equal(tokensAt(0, [key], null).judge(token, purchase("o1", "u1")), "undecided");
});

Deno.test("who has the key can make tokens by the documented format", () => {
  const token = signed('{"deployment":"shop","order_id":"o1","user_id":"u1","lines":[["HOT",1]],"exp":2000}');
  equal(tokensAt(1_999_999).judge(token, purchase("o1", "u1")), "valid");
  notEqual(tokensAt(2_000_000).judge(token, purchase("o1", "u1")), "valid");
});

Deno.test("a signed payload that is malformed, or of the format without lines, is invalid, not an error", () => {
  const start = '{"deployment":"shop","order_id":"o1","user_id":"u1"';
  const texts = [
    ...["", "x", "null", "[]", "{}"],
    '{"order_id":"o1","user_id":"u1","exp":9999999999}',
    `${start},"exp":9999999999}`,
    `${start},"lines":[["HOT",1]]}`,
    `${start},"lines":[["HOT",1]],"exp":"soon"}`,
    `${start},"lines":[["HOT",1]],"exp":null}`,
    ...[
      "null",
      "{}",
      '"HOT"',
      '["HOT"]',
      "[null]",
      '[["HOT"]]',
      '[["HOT","1"]]',
      '[["HOT",null]]',
      '{"HOT":1}',
    ]
      .map((lines) => `${start},"lines":${lines},"exp":9999999999}`),
  ];
  for (const text of texts) equal(tokensAt(0).judge(signed(text), purchase("o1", "u1")), "invalid", text);
});

Deno.test("the longest ids fit into a token, and lines up to its bound", () => {
  const tokens = tokensAt(0);
  for (const id of ['"'.repeat(128), "🎫".repeat(32), "é".repeat(64)]) {
    const wanted = purchase(id, id, { [id]: 1_000_000 });
    equal(tokens.judge(issue(tokens, wanted, 600).token, wanted), "valid");
  }
  const many = (count: number, length: number) =>
    purchase(
      "o",
      "u",
      Object.fromEntries(Array.from({ length: count }, (_, i) => [`${i}`.padStart(length, "S"), 1])),
    );
  equal(tokens.judge(issue(tokens, many(100, 20)).token, many(100, 20)), "valid");
  equal(tokens.issue(many(100, 40), 60), "too_long");
  ok(issue(tokens, many(100, 20)).token.length <= tokenCharsMax);
});

Deno.test("keys can change: a token of the old key is known while the new one signs", () => {
  const old = issue(tokensAt(0), purchase("o1", "u1")).token;
  const both = tokensAt(0, [otherKey, key]);
  equal(both.judge(old, purchase("o1", "u1")), "valid");
  const fresh = issue(both, purchase("o1", "u1")).token;
  equal(tokensAt(0).judge(fresh, purchase("o1", "u1")), "invalid");
  equal(tokensAt(0, [otherKey]).judge(fresh, purchase("o1", "u1")), "valid");
});

Deno.test("a token that was changed anywhere, or is none at all, is invalid", () => {
  const tokens = tokensAt(0);
  const { token } = issue(tokens, purchase("o1", "u1"));
  const [payload = "", mac = ""] = token.split(".");
  const forged = Buffer.from(
    '{"deployment":"shop","order_id":"o1","user_id":"u1","lines":[["HOT",1]],"exp":9999999999}',
  ).toString("base64url");
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
  for (const text of changed) equal(tokens.judge(text, purchase("o1", "u1")), "invalid", text.slice(0, 60));
});
