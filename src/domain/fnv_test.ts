import { equal } from "node:assert/strict";
import { fnv1a32 } from "./fnv.ts";

/** From the authors' own test suite, test_fnv.c. */
const vectors: readonly (readonly [text: string, hash32: number])[] = [
  ["", 0x811c9dc5],
  ["a", 0xe40c292c],
  ["b", 0xe70c2de5],
  ["foobar", 0xbf9cf968],
];

/** The definition, in arbitrary precision: slow, and impossible to get wrong. */
function byDefinition(text: string, basis: bigint, prime: bigint, bits: number): bigint {
  let hash = basis;
  for (const byte of new TextEncoder().encode(text)) {
    hash = BigInt.asUintN(bits, (hash ^ BigInt(byte)) * prime);
  }
  return hash;
}

Deno.test("fnv1a32() agrees with the published vectors", () => {
  for (const [text, hash32] of vectors) {
    equal(fnv1a32(text), hash32, text);
  }
});

Deno.test("fnv1a32() hashes UTF-8 bytes, as the definition in arbitrary precision does", () => {
  const texts = ["é", "SKU_123", "日本語", "🎫 ticket", "\u0000", "x".repeat(500), "ÿ".repeat(500)];
  for (const text of texts) {
    equal(BigInt(fnv1a32(text)), byDefinition(text, 0x811c9dc5n, 0x01000193n, 32), text);
  }
});
