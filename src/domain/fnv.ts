/**
 * FNV-1a over UTF-8: fast on short ids and identical in every language. It only chooses a shard. It must not be used to
 * compare contents: a second preimage takes seconds.
 *
 * Constants: Fowler, Noll, Vo, http://www.isthe.com/chongo/tech/comp/fnv/index.html
 *
 * @module
 */

const offsetBasis32 = 0x811c9dc5;
const prime32 = 0x01000193;

const encoder = new TextEncoder();

/** FNV-1a-32 of a text's UTF-8 bytes, unsigned. */
export function fnv1a32(text: string): number {
  const bytes = encodedUnlessAscii(text);
  const length = bytes?.length ?? text.length;
  let hash = offsetBasis32;
  for (let i = 0; i < length; i++) {
    hash = Math.imul(hash ^ byteAt(text, bytes, i), prime32);
  }
  return hash >>> 0;
}

/** Undefined for ASCII, whose UTF-16 units are its bytes: nothing is allocated for the usual id. */
function encodedUnlessAscii(text: string): Uint8Array | undefined {
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) > 0x7f) return encoder.encode(text);
  }
  return undefined;
}

function byteAt(text: string, bytes: Uint8Array | undefined, i: number): number {
  return bytes === undefined ? text.charCodeAt(i) : bytes[i] ?? 0;
}
