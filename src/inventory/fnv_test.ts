import { equal } from "node:assert/strict";
import { fnv1a32, fnv1a64 } from "./fnv.ts";

/** From the authors' own test suite, test_fnv.c. */
const vectors: readonly (readonly [text: string, hash32: number, hash64: bigint])[] = [
  ["", 0x811c9dc5, 0xcbf29ce484222325n],
  ["a", 0xe40c292c, 0xaf63dc4c8601ec8cn],
  ["b", 0xe70c2de5, 0xaf63df4c8601f1a5n],
  ["foobar", 0xbf9cf968, 0x85944171f73967e8n],
];

/** The definition, in arbitrary precision: slow, and impossible to get wrong. */
function byDefinition(text: string, basis: bigint, prime: bigint, bits: number): bigint {
  let hash = basis;
  for (const byte of new TextEncoder().encode(text)) {
    hash = BigInt.asUintN(bits, (hash ^ BigInt(byte)) * prime);
  }
  return hash;
}

function whole(text: string): bigint {
  const { high, low } = fnv1a64(text);
  return (BigInt(high) << 32n) | BigInt(low);
}

Deno.test("fnv1a32() and fnv1a64() agree with the published vectors", () => {
  for (const [text, hash32, hash64] of vectors) {
    equal(fnv1a32(text), hash32, text);
    equal(whole(text), hash64, text);
  }
});

Deno.test("fnv1a32() and fnv1a64() hash UTF-8 bytes, as the definition in arbitrary precision does", () => {
  const texts = ["é", "SKU_123", "日本語", "🎫 ticket", "\u0000", "x".repeat(500), "ÿ".repeat(500)];
  for (const text of texts) {
    equal(BigInt(fnv1a32(text)), byDefinition(text, 0x811c9dc5n, 0x01000193n, 32), text);
    equal(whole(text), byDefinition(text, 0xcbf29ce484222325n, 0x100000001b3n, 64), text);
  }
});
