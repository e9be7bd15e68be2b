/**
 * Who may ask to buy, and how often: judged at the edge, before the store is asked.
 *
 * The block list judges sales. The rate limit counts every command of a buyer: sales, one by one in a batch, and what
 * follows on an order (confirm, cancel, extend, return, look-up). Reading a SKU is free.
 *
 * @module
 */
import { firstBits, isIpv4, parseAddress } from "../../runtime/settings/address.ts";
import type { BlockedBuyers, BuyerKey, FairPlayConfig } from "../../runtime/settings/config.ts";
import type { World } from "../../runtime/world.ts";
import { problem, retryLater } from "../write/problem.ts";
import { type Checked, refused, valid } from "../write/response.ts";
import { type Taken, TokenBuckets } from "./token_buckets.ts";

/** Headers to add to the answer of a sale that may go on. */
export type Turn = Readonly<Record<string, string>>;

/** Judges buyers. */
export interface FairPlay {
  /** Lets a sale go on, or refuses it. `address` is empty where there is none. */
  judge(userId: string, address: string): Checked<Turn>;
  /** Lets a command that follows on an order go on, or refuses it. It names no user. */
  judgeFollowUp(orderId: string, address: string): Checked<Turn>;
}

/** Fair play as configured; null when nothing of it is on, so that it costs nothing. */
export function createFairPlay({ rateLimit, blocked }: FairPlayConfig, world: World): FairPlay | null {
  const rules: FairPlay[] = [];
  if (blocked !== null) rules.push(new BlockList(blocked));
  if (rateLimit !== null) rules.push(new RateLimit(rateLimit, world));
  const [first, second] = rules;
  return first && second ? inTurn(first, second) : first ?? null;
}

/** The block list first: who is on it takes no tokens of those who share his address. */
function inTurn(first: FairPlay, second: FairPlay): FairPlay {
  return {
    judge(userId, address) {
      const verdict = first.judge(userId, address);
      return verdict.kind === "refused" ? verdict : second.judge(userId, address);
    },
    judgeFollowUp: (orderId, address) => second.judgeFollowUp(orderId, address),
  };
}

const noHeaders = valid<Turn>({});
/** Does not say whether it is the user or the address: that would be a manual for going around it. */
const blockedAnswer = refused(problem("blocked", "The shop does not sell to this buyer"));

class BlockList implements FairPlay {
  readonly #users: ReadonlySet<string>;
  /** By the number of bits that networks have in common. */
  readonly #prefixes = new Map<number, Set<bigint>>();

  constructor({ users, networks }: BlockedBuyers) {
    this.#users = new Set(users);
    for (const { prefix, bits } of networks) {
      const prefixes = this.#prefixes.get(bits) ?? new Set();
      this.#prefixes.set(bits, prefixes.add(prefix));
    }
  }

  judge(userId: string, address: string): Checked<Turn> {
    return this.#users.has(userId) || this.#hasAddress(address) ? blockedAnswer : noHeaders;
  }

  /** Who is blocked may still give back what was bought. */
  judgeFollowUp(): Checked<Turn> {
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

  judge(userId: string, address: string): Checked<Turn> {
    return this.#take(this.#by === "user_id" ? userId : buyerAt(address));
  }

  /** Where users are counted the order is, under a name that no user id can have. */
  judgeFollowUp(orderId: string, address: string): Checked<Turn> {
    return this.#take(this.#by === "user_id" ? `\u0001${orderId}` : buyerAt(address));
  }

  #take(key: string): Checked<Turn> {
    const taken = this.#buckets.take(key);
    const headers = this.#headers(taken);
    if (taken.ok) return valid(headers);
    const retryAfterMs = Math.ceil(taken.nextMs);
    const members = { retry_after_ms: retryAfterMs };
    const detail = `This buyer may ask again in ${retryAfterMs} ms`;
    return refused(retryLater("too_many_requests", detail, retryAfterMs, members, headers));
  }

  /** As draft-ietf-httpapi-ratelimit-headers-11 has them; `t` is when there is one more, like Retry-After. */
  #headers({ left, nextMs }: Taken): Turn {
    const resetS = Math.max(1, Math.ceil(nextMs / 1000));
    return { "ratelimit-policy": this.#policy, ratelimit: `"buyer";r=${left};t=${resetS}` };
  }
}

/** Bits of an IPv6 address that one customer of a provider has for all his devices. */
const customerBits = 64;

/**
 * The key under which an address is counted. IPv6 counts by its /64: a customer has all of its 2^64 addresses. What is
 * no address counts as one buyer, so that nobody makes up buyers, or keys as long as a header.
 */
export function buyerAt(address: string): string {
  const parsed = parseAddress(address);
  if (parsed === undefined) return "";
  if (isIpv4(parsed)) return parsed.toString(16);
  return `${firstBits(parsed, customerBits).toString(16)}/${customerBits}`;
}
