/**
 * How the variables are written that say who may call: tokens, origins, limits, block lists, signing keys.
 *
 * @module
 */
import { hash } from "node:crypto";
import { type Network, parseNetwork } from "./address.ts";
import { type Format, parseUrl } from "./config_format.ts";

/** What a token allows. Scopes do not include one another. */
export type Scope = "deduct" | "read" | "admin";

/** What tells one buyer from another. */
export type BuyerKey = "address" | "user_id";

/** How fast something may happen. */
export interface Rate {
  /** How often at once, and within the window. */
  readonly quota: number;
  /** Length of the window, seconds. */
  readonly windowS: number;
}

/** Who may not buy. */
export interface BlockedBuyers {
  /** User ids. */
  readonly users: readonly string[];
  /** Where they buy from. */
  readonly networks: readonly Network[];
}

/** A token, as far as it must be known to recognize it. */
export interface TokenConfig {
  /** Goes into the log as `actor`; several tokens may share it, as old and new do during a rotation. */
  readonly name: string;
  /** At least one. */
  readonly scopes: readonly Scope[];
  /** SHA-256 of the token in hex; the token itself is kept nowhere. */
  readonly sha256: string;
}

/** Every request with a token is compared with all of them. */
const tokensMax = 100;
/** Two are enough to change a key while tokens of the old one, 10 min old at most, are on their way. */
const signingKeysMax = 4;
const originsMax = 100;
/** A variable holds 128 KiB on Linux: that many entries of the longest kind still fit. */
const blockedMax = 900;

/** Tokens and what they allow. */
export function apiTokens(): Format<readonly TokenConfig[]> {
  return {
    rule: `a JSON object of 1 to ${tokensMax} tokens (visible ASCII), each with a list of the scopes ` +
      `deduct, read, admin, or with {"name", "scopes"}`,
    parse(text) {
      const entries = parseObject(text);
      if (entries === undefined || entries.length === 0 || entries.length > tokensMax) return undefined;
      const tokens = entries.map(([token, value]) => parseToken(token, value));
      return tokens.every((token) => token !== undefined) ? tokens : undefined;
    },
  };
}

/** How often in how many seconds. */
export function rate(): Format<Rate> {
  return {
    rule: "<sales>/<seconds>, from 1 to 1000000 sales in 1 to 86400 seconds",
    parse(text) {
      const [, quota, windowS] = /^(\d{1,7})\/(\d{1,5})$/.exec(text)?.map(Number) ?? [];
      if (quota === undefined || windowS === undefined) return undefined;
      const isValid = quota >= 1 && quota <= 1_000_000 && windowS >= 1 && windowS <= 86_400;
      return isValid ? { quota, windowS } : undefined;
    },
  };
}

/** Buyers by id and by where they buy from. */
export function blockList(): Format<BlockedBuyers> {
  return {
    rule:
      `1 to ${blockedMax} of an IP address, a network such as 203.0.113.0/24, or user:<id> without a comma`,
    parse(text) {
      const entries = text.split(",").map((entry) => entry.trim());
      const users = entries.filter((entry) => entry.startsWith("user:")).map((entry) => entry.slice(5));
      const networks = entries.filter((entry) => !entry.startsWith("user:")).map(parseNetwork);
      const isUsable = entries.length <= blockedMax && users.every((user) => user !== "");
      return isUsable && networks.every((network) => network !== undefined) ? { users, networks } : undefined;
    },
  };
}

/** Secrets that sign. */
export function signingKeys(): Format<readonly string[]> {
  return {
    // 32 characters of base64 are 192 bits: no shorter key is worth the 256 bits of the signature.
    rule: `1 to ${signingKeysMax} keys of 32 to 256 visible ASCII characters, comma-separated`,
    parse(text) {
      const keys = text.split(",");
      const isUsable = keys.every((key) => /^[\x21-\x7e]{32,256}$/.test(key));
      return isUsable && keys.length <= signingKeysMax ? keys : undefined;
    },
  };
}

/** Origins as browsers send them: scheme, host, and a port that is not the scheme's own. */
export function origins(): Format<readonly string[]> {
  return {
    rule: `1 to ${originsMax} origins such as https://shop.example, comma-separated, no path and no *`,
    parse(text) {
      const all = text.split(",").map((origin) => origin.trim());
      const areOrigins = all.every((origin) => parseUrl(origin, ["http:", "https:"])?.origin === origin);
      return areOrigins && all.length <= originsMax ? all : undefined;
    },
  };
}

function parseObject(text: string): [name: string, value: unknown][] | undefined {
  try {
    const value: unknown = JSON.parse(text);
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    return isObject ? Object.entries(value) : undefined;
  } catch {
    return undefined;
  }
}

function parseToken(token: string, value: unknown): TokenConfig | undefined {
  if (!/^[\x21-\x7e]{1,1024}$/.test(token)) return undefined;
  const sha256 = hash("sha256", token);
  // A token without a name is called after its digest: the same in every process and after every edit.
  const { name = `token-${sha256.slice(0, 8)}`, scopes, ...unknown } = namedScopes(value);
  if (typeof name !== "string" || !/^[^\p{C}]{1,64}$/u.test(name)) return undefined;
  if (!isScopes(scopes) || Object.keys(unknown).length > 0) return undefined;
  return { name, scopes, sha256 };
}

function namedScopes(value: unknown): { name?: unknown; scopes?: unknown } {
  if (Array.isArray(value)) return { scopes: value };
  return typeof value === "object" && value !== null ? value : {};
}

function isScopes(value: unknown): value is Scope[] {
  const scopes: readonly unknown[] = ["deduct", "read", "admin"] satisfies Scope[];
  return Array.isArray(value) && value.length > 0 && value.every((scope) => scopes.includes(scope));
}
