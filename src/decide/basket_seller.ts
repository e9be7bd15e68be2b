/**
 * Sells a basket whose lines belong to several shards, all lines or none.
 *
 *     begin ──▶ prepare in every shard ──▶ commit ──▶ carried out in every shard
 *                        │                   │
 *                        └── refused ────────┴── too late ──▶ abort ──▶ carried out in every shard
 *
 * The decision is a row of the ledger, and only this process can commit it, in time. The basket's lowest shard carries it
 * out first: from then on its store has the decision, too, and the ledger may lose it. What this process does not carry
 * out, each shard's worker does.
 *
 * @module
 */
import { attemptName, type Prepare } from "../domain/basket.ts";
import { type Command, type Line, type Sale } from "../domain/command.ts";
import type { Outcome, RememberedLine } from "../domain/outcome.ts";
import { sleep, type World } from "../runtime/world.ts";
import type { OrderArchive } from "./archive.ts";
import { type Accepted, answer, differing, repeated } from "./basket_answers.ts";
import type { Attempt, BasketDecisions, CommittedBasket, PreparedPart } from "./basket_decisions.ts";
import { DoubtfulShards } from "./doubtful_shards.ts";

/** What a seller works with. */
export interface SellerParts {
  /** Where a basket is decided. */
  readonly decisions: BasketDecisions;
  /** Baskets that were sold before. */
  readonly archive: OrderArchive;
  /** Clock, timers and ids. */
  readonly world: World;
  /** Until then a basket is decided or aborted, ms. */
  readonly requestTimeoutMs: number;
  /** The shard that owns a SKU. */
  readonly shardOf: (sku: string) => number;
  /** Asks one shard; settles within the request's timeout. */
  readonly ask: (shard: number, command: Command, askedAtMs: number) => Promise<Outcome>;
  /** Called with an error of the ledger. */
  readonly onBroken: (error: unknown) => void;
}

/** One shard's lines of a basket. */
interface Part {
  readonly shard: number;
  /** Their places in the request. */
  readonly places: readonly number[];
  readonly lines: readonly Line[];
}

/** Pauses between two looks at whether the ledger has what was prepared, ms: a worker applies within a few to 50. */
const firstLookMs = 2;
const longestLookMs = 32;

const ledgerAway: Outcome = { kind: "store_unavailable", reason: "ledger" };

/** Sells baskets of several shards. */
export class BasketSeller {
  readonly #parts: SellerParts;
  readonly #doubtful: DoubtfulShards;
  /** The ledger did not have a basket's lines in time. Then one basket at a time is prepared, until one is committed. */
  #isBehind = false;
  #isProbing = false;

  /** Asks nothing before the first basket. */
  constructor(parts: SellerParts) {
    this.#parts = parts;
    this.#doubtful = new DoubtfulShards(parts.world);
  }

  /** Sells a basket; settles within the request's timeout, which counts from `askedAtMs` (monotonic). */
  async sell(sale: Sale, askedAtMs: number): Promise<Outcome> {
    const { decisions, archive, world, requestTimeoutMs } = this.#parts;
    const parts = this.#split(sale.lines);
    const { orderId, userId, lines } = sale;
    const home = Math.min(...parts.map(({ shard }) => shard));
    const attempt: Attempt = { orderId, attempt: world.uuid(), home, userId, lines };
    const begun = await this.#inTime(askedAtMs, () => decisions.begin(attempt, requestTimeoutMs));
    if (begun === undefined) return ledgerAway; // nothing was prepared
    if (begun.kind === "undecided") return { kind: "outcome_unknown", deadlineMs: begun.decideByMs };
    if (begun.kind === "committed") return await this.#repeat(sale, begun, parts, askedAtMs);
    // After the attempt began: an earlier one that has ended since is in the ledger.
    const known = await this.#inTime(askedAtMs, () => archive.findOrder(orderId));
    let past = known && repeated(sale, known.lines);
    if (known && past?.kind === "conflict") {
      past = await this.#repeatedInStores(sale, known.lines, parts, askedAtMs);
    }
    const isFull = this.#isBehind && this.#isProbing;
    if (known && !past && !isFull) {
      return await this.#probe(() => this.#prepare(sale, attempt, parts, askedAtMs));
    }
    await this.#inTime(askedAtMs, () => decisions.abort(attempt));
    return past ?? (isFull ? { kind: "ledger_behind" } : ledgerAway);
  }

  /** The ledger may have only a part of the basket, after it has lost commits: the stores have the rest. */
  async #repeatedInStores(
    sale: Sale,
    known: readonly RememberedLine[],
    parts: readonly Part[],
    askedAtMs: number,
  ): Promise<Outcome | undefined> {
    const answers = await Promise.all(
      parts.map(({ shard }) => this.#parts.ask(shard, { kind: "lookup", orderId: sale.orderId }, askedAtMs)),
    );
    const remembered = answers.flatMap((answer) => answer.kind === "order" ? answer.lines : []);
    if (answers.some(({ kind }) => kind !== "order")) return this.#undecided();
    return repeated(sale, [...known, ...remembered]);
  }

  /** Each basket that is prepared and not sold writes two events a shard: many of them would keep the ledger behind. */
  async #probe(sell: () => Promise<Outcome>): Promise<Outcome> {
    if (!this.#isBehind) return await sell();
    this.#isProbing = true;
    try {
      return await sell();
    } finally {
      this.#isProbing = false;
    }
  }

  async #prepare(
    sale: Sale,
    attempt: Attempt,
    parts: readonly Part[],
    askedAtMs: number,
  ): Promise<Outcome> {
    const name = attemptName(attempt.home, attempt.attempt);
    const outcomes = await this.#doubtful.ask(parts, ({ shard, lines }) => {
      const command: Prepare = { ...sale, kind: "prepare", lines, attempt: name };
      return this.#parts.ask(shard, command, askedAtMs);
    });
    const prepared = parts.flatMap(({ shard, lines }, i): PreparedPart[] => {
      const outcome = outcomes[i];
      const isNew = outcome?.kind === "accepted" && !outcome.replayed;
      return isNew ? [{ shard, seq: outcome.seq, lines: lines.length, newStock: outcome.newStock }] : [];
    });
    if (prepared.length === parts.length) {
      return await this.#commit(sale, attempt, parts, prepared, askedAtMs);
    }
    await this.#abort(attempt, prepared, askedAtMs);
    return this.#refusal(sale, parts, outcomes);
  }

  /** Why a basket is not sold. No process can commit it any more, so nothing of it takes effect. */
  #refusal(sale: Sale, parts: readonly Part[], outcomes: readonly (Outcome | undefined)[]): Outcome {
    const accepted = outcomes.filter((outcome): outcome is Accepted => outcome?.kind === "accepted");
    if (accepted.length === outcomes.length && accepted.every(({ replayed }) => replayed)) {
      const past = parts.map(({ places }, i) => ({ places, newStock: accepted[i]?.newStock ?? [] }));
      return { ...answer(sale, past, accepted[0]?.seq ?? 0), replayed: true };
    }
    const isOther = (outcome: Outcome | undefined) =>
      outcome && outcome.kind !== "accepted" && outcome.kind !== "outcome_unknown";
    const refused = outcomes.find(isOther);
    if (refused?.kind === "pending" || refused === undefined && accepted.length === outcomes.length) {
      return { kind: "outcome_unknown", deadlineMs: this.#parts.world.now() };
    }
    return refused ?? { kind: "store_unavailable", reason: "no answer in time" };
  }

  /** Waits until the ledger has what was prepared: a store that loses it before is rebuilt with it afterwards. */
  async #commit(
    sale: Sale,
    attempt: Attempt,
    parts: readonly Part[],
    prepared: readonly PreparedPart[],
    askedAtMs: number,
  ): Promise<Outcome> {
    const { decisions, world, requestTimeoutMs } = this.#parts;
    let decision: "committed" | "waiting" | "aborted" | undefined = "waiting";
    for (let lookMs = firstLookMs; decision === "waiting"; lookMs = Math.min(2 * lookMs, longestLookMs)) {
      decision = await this.#inTime(askedAtMs, () => decisions.commit(attempt, prepared));
      if (decision !== "waiting") break;
      if (world.elapsedMs() + lookMs >= askedAtMs + requestTimeoutMs) break;
      await sleep(world, lookMs);
    }
    if (decision !== undefined) this.#isBehind = decision !== "committed";
    const isUnknown = decision === undefined;
    if (decision !== "committed") decision = await this.#abort(attempt, prepared, askedAtMs, isUnknown);
    if (decision === "committed") {
      const done = await this.#carryOut("commit", attempt, prepared, askedAtMs);
      if (done?.kind !== "settled") return this.#undecided();
      return answer(
        sale,
        parts.map(({ places }, i) => ({
          places,
          newStock: prepared[i]?.newStock ?? [],
        })),
        prepared[0]?.seq ?? 0,
      );
    }
    if (decision === "aborted") return { kind: "ledger_behind" };
    return this.#undecided();
  }

  #undecided(): Outcome {
    const { world, requestTimeoutMs } = this.#parts;
    return { kind: "outcome_unknown", deadlineMs: world.now() + requestTimeoutMs };
  }

  /**
   * Aborts an attempt, and what it has prepared.
   *
   * @param isUnknown whether it may be committed: then nothing is carried out before the ledger says so
   * @returns undefined when the ledger does not answer
   */
  async #abort(
    attempt: Attempt,
    prepared: readonly PreparedPart[],
    askedAtMs: number,
    isUnknown = false,
  ): Promise<"committed" | "aborted" | undefined> {
    const { decisions, world } = this.#parts;
    const ended = await this.#inTime(
      isUnknown ? world.elapsedMs() : askedAtMs,
      () => decisions.abort(attempt),
    );
    if (ended === "committed" || ended === undefined && isUnknown) return ended;
    const done = await this.#carryOut("abort", attempt, prepared, askedAtMs);
    // Its worker has sold it since, and the ledger has lost the decision.
    if (done?.kind === "already_confirmed") return "committed";
    return ended ?? "aborted";
  }

  /**
   * Sends the decision to the lowest shard, and when that one has carried it out, to the others. One that does not answer
   * hears it from its worker.
   *
   * @returns the outcome of the lowest shard; undefined when it has prepared nothing
   */
  async #carryOut(
    kind: "commit" | "abort",
    { orderId, home }: Pick<Attempt, "orderId" | "home">,
    prepared: readonly PreparedPart[],
    askedAtMs: number,
  ): Promise<Outcome | undefined> {
    const tell = ({ shard, seq: preparedSeq }: PreparedPart) =>
      this.#parts.ask(shard, { kind, orderId, preparedSeq, actor: "holdfast", traceparent: "" }, askedAtMs);
    const first = prepared.find(({ shard }) => shard === home);
    const done = first && await tell(first);
    if (done && done.kind !== "settled") return done;
    await Promise.all(prepared.filter((part) => part !== first).map(tell));
    return done;
  }

  /** The same basket again, or another one under its order id. */
  async #repeat(
    sale: Sale,
    found: CommittedBasket,
    parts: readonly Part[],
    askedAtMs: number,
  ): Promise<Outcome> {
    const differs = differing(sale, found.userId, found.lines);
    if (differs !== undefined) return { kind: "conflict", sku: differs };
    const home = Math.min(...found.parts.map(({ shard }) => shard));
    const done = await this.#carryOut("commit", { orderId: sale.orderId, home }, found.parts, askedAtMs);
    if (done?.kind !== "settled") return this.#undecided();
    const byShard = new Map(found.parts.map((part) => [part.shard, part]));
    const past = this.#split(found.lines).map(({ shard, lines }) => ({ lines, part: byShard.get(shard) }));
    const newStock = new Map(
      past.flatMap(({ lines, part }) => lines.map(({ sku }, i) => [sku, part?.newStock[i] ?? 0] as const)),
    );
    const again = parts.map(({ places, lines }) => ({
      places,
      newStock: lines.map(({ sku }) => newStock.get(sku) ?? 0),
    }));
    return { ...answer(sale, again, found.parts[0]?.seq ?? 0), replayed: true };
  }

  /** By shard: that of the first line first. */
  #split(lines: readonly Line[]): Part[] {
    const places = Map.groupBy(lines.keys(), (place) => this.#parts.shardOf(lines[place]?.sku ?? ""));
    return [...places].map(([shard, places]) => ({
      shard,
      places,
      lines: places.flatMap((place) => lines[place] ?? []),
    }));
  }

  /** The ledger's answer within the time of the request; undefined without one. */
  async #inTime<T>(askedAtMs: number, ask: () => Promise<T>): Promise<T | undefined> {
    const { world, requestTimeoutMs, onBroken } = this.#parts;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const leftMs = Math.max(1, askedAtMs + requestTimeoutMs - world.elapsedMs());
    const cancel = world.after(leftMs, () => resolve(undefined));
    try {
      return await Promise.race([ask(), promise]);
    } catch (error) {
      onBroken(error);
      return undefined;
    } finally {
      cancel();
    }
  }
}
