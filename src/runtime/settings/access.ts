/**
 * Formats of the variables for access: tokens, origins, rate limits, block lists, signing keys.
 *
 * @module
 */
import { hash } from "node:crypto";
import { type Network, parseNetwork } from "./address.ts";
import { type Format, parseUrl, tokenCharsMin } from "./format.ts";

/** Scopes of tokens. Scopes do not include one another. */
export const scopes = ["deduct", "return", "read", "tokens", "admin"] as const;

export type Scope = typeof scopes[number];

/** The identity of a buyer. */
export type BuyerKey = "address" | "user_id";

/** A rate limit. */
export interface Rate {
  /** Number of commands at once, and within the window. */
  readonly quota: number;
  /** Length of the window, seconds. */
  readonly windowS: number;
}

/** Blocked buyers. */
export interface BlockedBuyers {
  /** User ids. */
  readonly users: readonly string[];
  /** Networks of buyers. */
  readonly networks: readonly Network[];
}

/** The data by which a token is recognized. */
export interface TokenConfig {
  /**
   * Written into the log as `actor`; it owns the lines that the token sells. Several tokens may share it, as old and new
   * do during a rotation.
   */
  readonly name: string;
  /** At least one. */
  readonly scopes: readonly Scope[];
  /** SHA-256 of the token in hex; the token itself is not stored. */
  readonly sha256: string;
  /** Shorter than {@link tokenCharsMin}, or without a name: accepted on loopback only. */
  readonly isWeak: boolean;
}

/** Every request with a token is compared with all of them. */
const tokensMax = 100;
/** Two are enough to change a key while tokens of the old one, 10 min old at most, are still in use. */
const signingKeysMax = 4;
const originsMax = 100;
/** A variable holds 128 KiB on Linux, which is enough for this many entries of the longest kind. */
const blockedMax = 900;

/** Tokens and their scopes. */
export function apiTokens(): Format<readonly TokenConfig[]> {
  return {
    rule:
      `a JSON object of 1 to ${tokensMax} different tokens (visible ASCII, or sha256: and 64 hex digits), each ` +
      `with a list of the scopes ${
        scopes.join(", ")
      }, or with {"name", "scopes"}; a name does not start with cli:`,
    parse(text) {
      const entries = parseObject(text);
      if (entries === undefined || entries.length === 0 || entries.length > tokensMax) return undefined;
      const tokens = entries.map(([token, value], i) => parseToken(token, value, `token-${i + 1}`));
      const areDifferent = new Set(tokens.map((token) => token?.sha256)).size === tokens.length;
      return areDifferent && tokens.every((token) => token !== undefined) ? tokens : undefined;
    },
  };
}

/** A number of commands in a number of seconds. */
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

/** Buyers by id, address or network. */
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

/** Signing keys. */
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

/** A token by its digest: 64 hex digits after the prefix. The token itself stands in no setting then. */
const digestPrefix = "sha256:";

function parseToken(token: string, value: unknown, unnamed: string): TokenConfig | undefined {
  const sha256 = digestOf(token);
  const { name = unnamed, scopes, ...unknown } = namedScopes(value);
  // Actors of that form are operators at the command line.
  if (typeof name !== "string" || !/^(?!cli:)[^\p{C}]{1,64}$/u.test(name)) return undefined;
  if (sha256 === undefined || !isScopes(scopes) || Object.keys(unknown).length > 0) return undefined;
  // A digest shows no length. A name by position moves to another token when the setting is edited.
  const isWeak = token.length < tokenCharsMin || !("name" in namedScopes(value));
  return { name, scopes, sha256, isWeak };
}

function digestOf(token: string): string | undefined {
  if (token.startsWith(digestPrefix)) {
    const digest = token.slice(digestPrefix.length).toLowerCase();
    return /^[0-9a-f]{64}$/.test(digest) ? digest : undefined;
  }
  return /^[\x21-\x7e]{1,1024}$/.test(token) ? hash("sha256", token) : undefined;
}

function namedScopes(value: unknown): { name?: unknown; scopes?: unknown } {
  if (Array.isArray(value)) return { scopes: value };
  return typeof value === "object" && value !== null ? value : {};
}

function isScopes(value: unknown): value is Scope[] {
  const known: readonly unknown[] = scopes;
  return Array.isArray(value) && value.length > 0 && value.every((scope) => known.includes(scope));
}
