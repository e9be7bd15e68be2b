/**
 * Purchase tokens: what a waiting room or a captcha hands out, so that a SKU can be sold to those only who
 * came through it.
 *
 * A token is `<payload>.<mac>`, both base64url: the payload is the JSON `{"order_id","user_id","exp"}` with
 * `exp` in seconds since 1970, the mac its HMAC-SHA-256 as it stands in the token. Order and user are in it, so
 * a token buys for one user and at most one order; within that order it may be sent again.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { createHmac, timingSafeEqual } from "node:crypto";
import type { World } from "../world.ts";

/** How long a token may last, seconds: long enough for a checkout, too short for a market of tokens. */
export const tokenTtlMaxS = 600;

/** Characters; two ids of 128 bytes, each byte escaped in JSON, are below 1100 in base64. */
const tokenCharsMax = 2600;

/** What came with a sale: a token for it, one that is of no use, or none. */
export type TokenVerdict = "valid" | "invalid" | "none";

/** A token and its end. */
export interface IssuedToken {
  /** To be sent as header `Purchase-Token`. */
  readonly token: string;
  /** Milliseconds since 1970. */
  readonly expiresAtMs: number;
}

/** Issues and judges tokens. */
export class PurchaseTokens {
  readonly #keys: readonly string[];
  readonly #world: World;

  /**
   * Nothing is issued yet.
   *
   * @param keys the first one signs, all are known
   */
  constructor(keys: readonly string[], world: World) {
    this.#keys = keys;
    this.#world = world;
  }

  /** A token for one order of one user. */
  issue(orderId: string, userId: string, ttlS: number): IssuedToken {
    const [key = ""] = this.#keys;
    const exp = Math.floor(this.#world.now() / 1000) + ttlS;
    const payload = Buffer.from(JSON.stringify({ order_id: orderId, user_id: userId, exp })).toString(
      "base64url",
    );
    return { token: `${payload}.${sign(payload, key).toString("base64url")}`, expiresAtMs: exp * 1000 };
  }

  /** Judges the token of a sale; null is none. */
  judge(token: string | null, orderId: string, userId: string): TokenVerdict {
    if (token === null) return "none";
    const [payload = "", mac = "", ...more] = token.length > tokenCharsMax ? [] : token.split(".");
    if (more.length > 0 || !this.#isSigned(payload, Buffer.from(mac, "base64url"))) return "invalid";
    return this.#isFor(payload, orderId, userId) ? "valid" : "invalid";
  }

  /** Who has the key may sign what he likes: a payload that is not ours is no reason to fail. */
  #isFor(payload: string, orderId: string, userId: string): boolean {
    try {
      const { order_id, user_id, exp } = JSON.parse(Buffer.from(payload, "base64url").toString());
      return order_id === orderId && user_id === userId && exp * 1000 > this.#world.now();
    } catch {
      return false;
    }
  }

  #isSigned(payload: string, mac: Uint8Array): boolean {
    return this.#keys.some((key) => {
      const expected = sign(payload, key);
      return expected.length === mac.length && timingSafeEqual(expected, mac);
    });
  }
}

function sign(payload: string, key: string): Buffer {
  return createHmac("sha256", key).update(payload).digest();
}
