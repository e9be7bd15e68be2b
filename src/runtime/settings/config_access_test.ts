import { deepEqual } from "node:assert/strict";
import { createHash } from "node:crypto";
import { loadConfig } from "./config.ts";
import { namesOf, strongToken } from "../../../tests/runtime/refused_env.ts";

Deno.test("loadConfig() knows tokens by their digests and keeps none of them", () => {
  const tokens = {
    "shop-secret": ["deduct", "read"],
    "office-secret": { name: "office", scopes: ["admin"] },
  };
  const { access } = loadConfig({ API_TOKENS: JSON.stringify(tokens) });
  const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
  deepEqual(access, {
    kind: "tokens",
    tokens: [
      {
        name: "token-1",
        scopes: ["deduct", "read"],
        sha256: sha256("shop-secret"),
        isWeak: true,
      },
      { name: "office", scopes: ["admin"], sha256: sha256("office-secret"), isWeak: true },
    ],
  });
});

Deno.test("loadConfig() takes the digest of a token in its place", () => {
  const sha256 = createHash("sha256").update("shop-secret").digest("hex");
  const tokensOf = (text: string) => {
    const { access } = loadConfig({ API_TOKENS: text });
    return access.kind === "tokens" ? access.tokens : [];
  };
  for (const digest of [sha256, sha256.toUpperCase()]) {
    deepEqual(tokensOf(`{"sha256:${digest}":{"name":"shop","scopes":["return","tokens"]}}`), [
      { name: "shop", scopes: ["return", "tokens"], sha256, isWeak: false },
    ]);
  }
  for (const digest of ["", "x", sha256.slice(1), `${sha256}0`, ` ${sha256}`, sha256.replace(/./, "g")]) {
    deepEqual(namesOf({ API_TOKENS: `{"sha256:${digest}":["read"]}` }), ["API_TOKENS"], digest);
  }
  const both = JSON.stringify({ "shop-secret": ["read"], [`sha256:${sha256}`]: ["admin"] });
  deepEqual(namesOf({ API_TOKENS: both }), ["API_TOKENS"], "one token twice");
});

Deno.test("loadConfig() takes tokens that are short or unnamed on loopback only", () => {
  const chars = (count: number) => "t".repeat(count);
  const named = (token: string) => JSON.stringify({ [token]: { name: "shop", scopes: ["read"] } });
  const beyond: Record<string, string>[] = [
    { HOST: "0.0.0.0" },
    { HOST: "::" },
    { DENO_SERVE_ADDRESS: "tcp:0.0.0.0:8080" },
    { DENO_SERVE_ADDRESS: "duplicate,tcp:127.0.0.1:8080" },
    { DENO_DEPLOY: "1", REDIS_URL: "redis://a" },
  ];
  const weak = [
    named(chars(21)),
    `{"${chars(22)}":["read"]}`,
    JSON.stringify({ ...JSON.parse(named(chars(22))), [chars(23)]: ["read"] }),
    `{"sha256:${"0".repeat(64)}":["read"]}`,
  ];
  const strong = [named(chars(22)), named(`sha256:${"0".repeat(64)}`)];
  for (const API_TOKENS of weak) {
    deepEqual(namesOf({ API_TOKENS }), []);
    deepEqual(namesOf({ API_TOKENS, DENO_SERVE_ADDRESS: "tcp:127.0.0.1:8080" }), []);
    for (const address of beyond) deepEqual(namesOf({ ...address, API_TOKENS }), ["API_TOKENS"], API_TOKENS);
  }
  for (const API_TOKENS of strong) {
    for (const address of beyond) deepEqual(namesOf({ ...address, API_TOKENS }), [], API_TOKENS);
  }
});

Deno.test("loadConfig() refuses tokens that are not as they must be", () => {
  const many = Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`t${i}`, ["read"]]));
  const wrong = [
    "x",
    "{}",
    "[]",
    "null",
    '"t"',
    '{"t":[]}',
    '{"t":["write"]}',
    '{"t":"read"}',
    '{"":["read"]}',
    '{"a b":["read"]}',
    '{"ä":["read"]}',
    '{"t":{"name":"n"}}',
    '{"t":{"name":"","scopes":["read"]}}',
    '{"t":{"name":"a\\nb","scopes":["read"]}}',
    '{"t":{"name":null,"scopes":["read"]}}',
    '{"t":{"name":"cli:alice","scopes":["read"]}}',
    '{"t":{"scopes":["read"],"more":1}}',
    '{"good":["read"],"t":null}',
    JSON.stringify(many),
  ];
  for (const value of wrong) deepEqual(namesOf({ API_TOKENS: value }), ["API_TOKENS"], value);
});

Deno.test("loadConfig() leaves loopback only with tokens", () => {
  const token = strongToken;
  for (const host of ["127.0.0.1", "127.8.9.1", "localhost", "::1", "[::1]"]) {
    deepEqual(namesOf({ HOST: host }), [], host);
  }
  for (
    const host of [
      "0.0.0.0",
      "::",
      "10.0.0.7",
      "shop.example",
      "127.evil.example",
      "localhost.example",
      "fe80::1%eth0",
    ]
  ) {
    deepEqual(namesOf({ HOST: host }), ["HOST"], host);
    deepEqual(namesOf({ HOST: host, API_TOKENS: token }), [], host);
  }
  for (const host of ["a b", "127.0.0.1:80", "http://a", "a/b", "x".repeat(254)]) {
    deepEqual(namesOf({ HOST: host, API_TOKENS: token }), ["HOST"], host);
  }
});
