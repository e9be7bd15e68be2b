/**
 * The block list and the rate limit, checked before the store is called.
 *
 * The block list applies to sales. The rate limit counts every command of a buyer: sales (each item of a batch)
 * and commands on an order (confirm, cancel, extend, return, lookup). Reading a SKU is free.
 *
 * @module
 */
import { firstBits, isIpv4, parseAddress } from "../../runtime/settings/address.ts";
import type { BlockedBuyers, BuyerKey, FairPlayConfig } from "../../runtime/settings/config.ts";
import type { World } from "../../runtime/world.ts";
import { problem, retryLater } from "../write/problem.ts";
import { type Checked, refused, valid } from "../write/response.ts";
import { type Taken, TokenBuckets } from "./token_buckets.ts";

/** Headers to add to the response of an admitted sale. */
export type RateLimitHeaders = Readonly<Record<string, string>>;

export interface FairPlay {
  /** Admits or refuses a sale. `address` is empty where there is none. */
  judge(userId: string, address: string): Checked<RateLimitHeaders>;
  /** Admits or refuses a command on an order. Such a command names no user. */
  judgeFollowUp(orderId: string, address: string): Checked<RateLimitHeaders>;
}

/** The configured checks; null when both are off, so that they cost nothing. */
export function createFairPlay({ rateLimit, blocked }: FairPlayConfig, world: World): FairPlay | null {
  const rules: FairPlay[] = [];
  if (blocked !== null) rules.push(new BlockList(blocked));
  if (rateLimit !== null) rules.push(new RateLimit(rateLimit, world));
  const [first, second] = rules;
  return first && second ? inSequence(first, second) : first ?? null;
}

/** Checks the block list first: a blocked user takes no tokens from others with the same address. */
function inSequence(first: FairPlay, second: FairPlay): FairPlay {
  return {
    judge(userId, address) {
      const verdict = first.judge(userId, address);
      return verdict.kind === "refused" ? verdict : second.judge(userId, address);
    },
    judgeFollowUp: (orderId, address) => second.judgeFollowUp(orderId, address),
  };
}

const noHeaders = valid<RateLimitHeaders>({});
/** Does not say whether the user or the address is blocked, because that would help to evade the block. */
const blockedAnswer = refused(problem("blocked", "This buyer is blocked"));

class BlockList implements FairPlay {
  readonly #users: ReadonlySet<string>;
  /** By prefix length in bits. */
  readonly #prefixes = new Map<number, Set<bigint>>();

  constructor({ users, networks }: BlockedBuyers) {
    this.#users = new Set(users);
    for (const { prefix, bits } of networks) {
      const prefixes = this.#prefixes.get(bits) ?? new Set();
      this.#prefixes.set(bits, prefixes.add(prefix));
    }
  }

  judge(userId: string, address: string): Checked<RateLimitHeaders> {
    return this.#users.has(userId) || this.#hasAddress(address) ? blockedAnswer : noHeaders;
  }

  /** A blocked buyer may still return units. */
  judgeFollowUp(): Checked<RateLimitHeaders> {
    return noHeaders;
  }

  #hasAddress(text: string): boolean {
    const address = this.#prefixes.size === 0 ? undefined : parseAddress(text);
    if (address === undefined) return false;
    for (const [bits, prefixes] of this.#prefixes) {
      if (prefixes.has(firstBits(address, bits))) return true;
    }
    return false;
  }
}

class RateLimit implements FairPlay {
  readonly #by: BuyerKey;
  readonly #buckets: TokenBuckets;
  readonly #policy: string;

  constructor(rate: NonNullable<FairPlayConfig["rateLimit"]>, world: World) {
    this.#by = rate.by;
    this.#buckets = new TokenBuckets(world, rate);
    this.#policy = `"buyer";q=${rate.quota};w=${rate.windowS}`;
  }

  judge(userId: string, address: string): Checked<RateLimitHeaders> {
    return this.#take(this.#by === "user_id" ? userId : buyerAt(address));
  }

  /**
   * When users are counted, the bucket of a command on an order has the order id in its key, with a prefix that
   * no user id has.
   */
  judgeFollowUp(orderId: string, address: string): Checked<RateLimitHeaders> {
    return this.#take(this.#by === "user_id" ? `\u0001${orderId}` : buyerAt(address));
  }

  #take(key: string): Checked<RateLimitHeaders> {
    const taken = this.#buckets.take(key);
    const headers = this.#headers(taken);
    if (taken.ok) return valid(headers);
    const retryAfterMs = Math.ceil(taken.nextMs);
    const members = { retry_after_ms: retryAfterMs };
    const detail = `This buyer may ask again in ${retryAfterMs} ms`;
    return refused(retryLater("too_many_requests", detail, retryAfterMs, members, headers));
  }

  /** As in draft-ietf-httpapi-ratelimit-headers-11; `t` is the time until the next token, as Retry-After. */
  #headers({ left, nextMs }: Taken): RateLimitHeaders {
    const resetS = Math.max(1, Math.ceil(nextMs / 1000));
    return { "ratelimit-policy": this.#policy, ratelimit: `"buyer";r=${left};t=${resetS}` };
  }
}

/** Bits of an IPv6 address that a provider assigns to one customer. */
const customerBits = 64;

/**
 * The key under which an address is counted. IPv6 addresses count by their /64, because one customer has all
 * 2^64 addresses of it. Invalid addresses share one key, so that a client cannot create buyers or long keys.
 */
export function buyerAt(address: string): string {
  const parsed = parseAddress(address);
  if (parsed === undefined) return "";
  if (isIpv4(parsed)) return parsed.toString(16);
  return `${firstBits(parsed, customerBits).toString(16)}/${customerBits}`;
}
