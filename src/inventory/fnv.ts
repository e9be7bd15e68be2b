/**
 * FNV-1a over UTF-8: fast on short ids and the same in every language. It spreads and compares; it
 * keeps nothing secret and stops no attacker who looks for collisions.
 *
 * Constants: Fowler, Noll, Vo, http://www.isthe.com/chongo/tech/comp/fnv/index.html
 *
 * @module
 */

const offsetBasis32 = 0x811c9dc5;
const prime32 = 0x01000193;

/** The 64-bit offset basis, 0xcbf29ce484222325, in halves: JavaScript's integers end at 53 bits. */
const offsetBasis64 = { high: 0xcbf29ce4, low: 0x84222325 } as const;
/** The 64-bit prime is 2^40 + this. */
const prime64Low = 0x1b3;
const twoTo32 = 0x1_0000_0000;

const encoder = new TextEncoder();

/** A 64-bit number in two unsigned halves. */
export interface Halves {
  /** Bits 63..32. */
  readonly high: number;
  /** Bits 31..0. */
  readonly low: number;
}

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

/** FNV-1a-64 of a text's UTF-8 bytes. */
export function fnv1a64(text: string): Halves {
  const bytes = encodedUnlessAscii(text);
  const length = bytes?.length ?? text.length;
  let { high, low } = offsetBasis64 as Halves;
  for (let i = 0; i < length; i++) {
    low = (low ^ byteAt(text, bytes, i)) >>> 0;
    // hash * (2^40 + 0x1b3): 2^40 moves the low half, shifted by 8, into the high one. low * 0x1b3
    // stays below 2^41, so the product is exact in a double.
    const product = low * prime64Low;
    high = (Math.imul(high, prime64Low) + Math.floor(product / twoTo32) + (low << 8)) >>> 0;
    low = product >>> 0;
  }
  return { high, low };
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
