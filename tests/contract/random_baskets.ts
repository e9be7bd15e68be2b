/**
 * Baskets of several shards, step by step, drawn by a seed.
 */
import { attemptName } from "../../src/domain/basket.ts";
import type { Attempt, PreparedPart } from "../../src/decide/basket_decisions.ts";
import type { Queries } from "../../src/ledger/database.ts";
import type { Ledger, ShardLedger } from "../../src/ledger/ledger.ts";
import type { HomeAsked } from "../../src/ledger/shard_baskets.ts";
import type { Chance } from "../../tools/simulate/scheduler.ts";
import { entry } from "./ledger_fixture.ts";
import { oneOf, type RandomShelf } from "./random_lives.ts";

export const shards = [0, 1, 2] as const;

/** A ledger with its leases. */
export interface Side {
  readonly ledger: Ledger;
  readonly database: Queries;
  readonly shards: ShardLedger[];
}

/** What is done or read, with the shard that it is about. */
export type Step = (side: Side, shard: ShardLedger) => Promise<unknown>;

/** When decisions were made: long ago, or in a time that does not come while a test runs. */
const [long, later] = ["2020-01-01 00:00:00.000", "2100-01-01 00:00:00.000"];
export const basketIds = ["basket-1", "basket-2", "basket-3"];

/** A basket of several shards, as far as it decides what comes next. */
interface Basket {
  readonly made: Attempt;
  readonly parts: PreparedPart[];
  isDecided: boolean;
}

/** The logs that lines are prepared in. */
interface Logs {
  shelf(shard: number): RandomShelf;
  epoch(shard: number): number;
}

/** Draws what becomes of a few baskets. */
export class RandomBaskets {
  readonly #chance: Chance;
  readonly #log: Logs;
  readonly #attempts: Attempt[] = [];
  readonly #baskets = new Map<string, Basket>();

  constructor(chance: Chance, log: Logs) {
    this.#chance = chance;
    this.#log = log;
  }

  /** Names of attempts, old ones and one that never began. */
  get names(): string[] {
    return ["0/never", ...this.asked.map(({ name }) => name)];
  }

  /** The last attempts. */
  get asked(): HomeAsked[] {
    return this.#attempts.slice(-6).map(({ orderId, home, attempt }) => {
      return { home, orderId, name: attemptName(home, attempt) };
    });
  }

  /** The next step of a basket: it is begun, prepared, decided, and carried out. */
  step(shard: number): Step {
    const chance = this.#chance;
    const orderId = oneOf(chance, basketIds);
    const basket = this.#baskets.get(orderId);
    if (!basket || chance.isHit(0.1)) return this.#begin(orderId);
    if (basket.isDecided) return this.#carryOut(shard, basket);
    const isReady = basket.parts.length > 0;
    return oneOf(chance, [
      () => this.#prepare(shard, basket),
      () => this.#prepare(shard, basket),
      () => isReady ? this.#commit(basket) : this.#prepare(shard, basket),
      () => isReady ? this.#commit(basket) : this.#prepare(shard, basket),
      () => this.#abort(basket),
    ])();
  }

  #begin(orderId: string): Step {
    const chance = this.#chance;
    const attempt = `00000000-0000-4000-8000-${String(this.#attempts.length).padStart(12, "0")}`;
    const lines = [{ sku: "SKU-1", amount: chance.between(1, 2) }];
    const made = {
      orderId,
      attempt,
      home: chance.between(0, 1),
      userId: `user-${chance.between(1, 2)}`,
      lines,
    };
    this.#attempts.push(made);
    const isOver = chance.isHit(0.15);
    if (!this.#baskets.has(orderId)) this.#baskets.set(orderId, { made, parts: [], isDecided: isOver });
    return async ({ ledger }) => {
      const begun = await ledger.baskets.begin(made, isOver ? -1000 : 600_000);
      return begun.kind === "undecided" ? begun.kind : begun;
    };
  }

  #prepare(shard: number, { made, parts }: Basket): Step {
    const chance = this.#chance;
    const lines = chance.between(1, 2);
    const name = chance.isHit(0.85) ? attemptName(made.home, made.attempt) : this.names[0] ?? "";
    const changes = ["SKU-1", "SKU-2"].slice(0, lines).map((sku) => [sku, -1, 1] as const);
    const event = this.#log.shelf(shard).write("prepare", made.orderId, changes, { reference: name });
    if (!event) return () => Promise.resolve();
    parts.push({ shard, seq: event.seq, lines, newStock: event.lines.map(({ available }) => available) });
    const entries = [entry(this.#log.epoch(shard), event)];
    return (_, one) => one.apply(entries);
  }

  #commit(basket: Basket): Step {
    const chance = this.#chance;
    const { made, parts } = basket;
    const wrong = oneOf(chance, [-1, 1]);
    const isWrong = chance.isHit(0.3);
    const said = parts.map((part, i) => isWrong && i === 0 ? { ...part, lines: part.lines + wrong } : part);
    basket.isDecided = !isWrong;
    return async ({ ledger, database }) => {
      const outcome = await ledger.baskets.commit(made, said);
      // A decision is left to its API for a second, and the two databases would not end it at the same step.
      await database.script(`update baskets set decided_at = '${later}' where decided_at > '${long}'`);
      return [outcome, await ledger.baskets.find(made.orderId).then((found) => found?.kind)];
    };
  }

  #abort(basket: Basket): Step {
    basket.isDecided = true;
    return ({ ledger }) => ledger.baskets.abort(basket.made);
  }

  /** One shard after the other; the row goes when all have. */
  #carryOut(shard: number, { made, parts }: Basket): Step {
    const chance = this.#chance;
    const part = parts.find((one) => one.shard === shard);
    if (part && chance.isHit(0.7)) {
      parts.splice(parts.indexOf(part), 1);
      const isSold = chance.isHit(0.6);
      const changes = ["SKU-1", "SKU-2"].slice(0, part.lines).map((sku) =>
        [sku, isSold ? 0 : 1, -1] as const
      );
      const event = this.#log.shelf(shard).write(isSold ? "commit" : "abort", made.orderId, changes);
      const entries = event ? [entry(this.#log.epoch(shard), event)] : [];
      return (_, one) => one.apply(entries);
    }
    if (parts.length === 0) this.#baskets.delete(made.orderId);
    return oneOf<Step>(chance, [
      (_, one) => one.baskets.end(),
      ({ database }) =>
        database.script(
          `update baskets set decided_at = '${long}' where decision = 'commit'`,
        ),
    ]);
  }
}
