/**
 * Purchase tokens: a waiting room or a captcha issues them, and a SKU may require one for each sale.
 *
 * A token is `<payload>.<mac>`, both base64url. The payload is the JSON
 * `{"deployment","order_id","user_id","lines":[[SKU, units], ...],"exp"}` with `exp` in seconds since 1970; the
 * mac is the HMAC-SHA-256 of the payload as it is in the token. A token is valid for one user, one order and
 * one deployment, and per SKU for at most the units of its line. It may be sent again, because a SKU is sold
 * once within an order.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { createHmac, timingSafeEqual } from "node:crypto";
import type { Line } from "../../domain/command.ts";
import type { TokenVerdict } from "../write/refusal.ts";
import type { World } from "../../runtime/world.ts";

/** Characters of a token: with it, all headers of a request stay below 8 KiB, the limit of common proxies. */
export const tokenCharsMax = 4096;

/**
 * Why tokens can be neither checked nor issued just after the start: the API has not reached its ledger yet.
 */
export const deploymentUnknown = "this process has not heard from the ledger which deployment it serves";

export interface IssuedToken {
  /** Value of the header `Purchase-Token`. */
  readonly token: string;
  /** Milliseconds since 1970. */
  readonly expiresAtMs: number;
}

/** What a token permits, or what a sale requests. */
export interface Purchase {
  readonly orderId: string;
  /** The buyer. */
  readonly userId: string;
  /** Each SKU once. In a token: the maximum of units. */
  readonly lines: readonly Line[];
}

/** Issues and checks tokens. */
export class PurchaseTokens {
  readonly #keys: readonly string[];
  readonly #deployment: () => string | null;
  readonly #world: World;

  /**
   * @param keys the first one signs; each one verifies
   * @param deployment the id of this deployment, null until it is known; a token of another deployment with the
   * same key is invalid
   */
  constructor(keys: readonly string[], deployment: () => string | null, world: World) {
    this.#keys = keys;
    this.#deployment = deployment;
    this.#world = world;
  }

  /**
   * Issues a token for one purchase, or the reason why not: longer than {@link tokenCharsMax}, or deployment
   * unknown.
   */
  issue({ orderId, userId, lines }: Purchase, ttlS: number): IssuedToken | "too_long" | "undecided" {
    const [key = ""] = this.#keys;
    const deployment = this.#deployment();
    if (deployment === null) return "undecided";
    const exp = Math.floor(this.#world.now() / 1000) + ttlS;
    const contents = {
      deployment,
      order_id: orderId,
      user_id: userId,
      lines: lines.map(({ sku, amount }) => [sku, amount]),
      exp,
    };
    const payload = Buffer.from(JSON.stringify(contents)).toString("base64url");
    const token = `${payload}.${sign(payload, key).toString("base64url")}`;
    return token.length > tokenCharsMax ? "too_long" : { token, expiresAtMs: exp * 1000 };
  }

  /**
   * Checks the token of a sale; null = none. A token is valid for a sale of all or some of its lines, and for
   * fewer units.
   */
  judge(token: string | null, wanted: Purchase): TokenVerdict {
    if (token === null) return "none";
    const deployment = this.#deployment();
    if (deployment === null) return "undecided";
    const [payload = "", mac = "", ...more] = token.length > tokenCharsMax ? [] : token.split(".");
    if (more.length > 0 || !this.#isSigned(payload, Buffer.from(mac, "base64url"))) return "invalid";
    return this.#isFor(payload, deployment, wanted) ? "valid" : "invalid";
  }

  /** A correctly signed payload may still be malformed or of an earlier version; treat it as invalid. */
  #isFor(payload: string, here: string, wanted: Purchase): boolean {
    try {
      const contents = JSON.parse(Buffer.from(payload, "base64url").toString());
      const { deployment, order_id, user_id, lines, exp } = contents;
      if (deployment !== here || !(exp * 1000 > this.#world.now())) return false;
      if (order_id !== wanted.orderId || user_id !== wanted.userId) return false;
      const units = new Map<unknown, unknown>(lines);
      return wanted.lines.every(({ sku, amount }) => {
        const most = units.get(sku);
        return typeof most === "number" && amount <= most;
      });
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
