/**
 * Sells a basket whose lines belong to several shards, all lines or none.
 *
 *     begin ──▶ prepare in every shard ──▶ commit ──▶ carried out in every shard
 *                        │                   │
 *                        └── refused ────────┴── too late ──▶ abort ──▶ carried out in every shard
 *
 * The decision is a row of the ledger, and only this process can commit it, in time. What this process does not carry
 * out, each shard's worker does.
 *
 * @module
 */
import type { Prepare } from "../domain/basket.ts";
import { type Command, type Line, type Sale } from "../domain/command.ts";
import { isPrepared, type Outcome, type RememberedLine } from "../domain/outcome.ts";
import { sleep, type World } from "../runtime/world.ts";
import type { OrderArchive, ShardMemory } from "./archive.ts";
import type { Attempt, BasketDecisions, CommittedBasket, PreparedPart } from "./basket_decisions.ts";

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

/** A part that its shard has prepared. */
type Accepted = Extract<Outcome, { kind: "accepted" }>;

/** Pauses between two looks at whether the ledger has what was prepared, ms: a worker applies within a few to 50. */
const firstLookMs = 2;
const longestLookMs = 32;

const ledgerAway: Outcome = { kind: "store_unavailable", reason: "ledger" };

/** Sells baskets of several shards. */
export class BasketSeller {
  readonly #parts: SellerParts;

  /** Asks nothing before the first basket. */
  constructor(parts: SellerParts) {
    this.#parts = parts;
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
    if (begun.kind === "committed") return this.#repeat(sale, begun, parts);
    // After the attempt began: an earlier one that has ended since is in the ledger.
    const known = await this.#inTime(askedAtMs, () => archive.findOrder(orderId));
    const past = known && repeated(sale, known.lines);
    if (known && !past) return await this.#prepare(sale, attempt, parts, askedAtMs);
    await this.#inTime(askedAtMs, () => decisions.abort(attempt));
    return past ?? ledgerAway;
  }

  async #prepare(
    sale: Sale,
    attempt: Attempt,
    parts: readonly Part[],
    askedAtMs: number,
  ): Promise<Outcome> {
    const outcomes = await Promise.all(parts.map(({ shard, lines }) => {
      const command: Prepare = { ...sale, kind: "prepare", lines };
      return this.#parts.ask(shard, command, askedAtMs);
    }));
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
  #refusal(sale: Sale, parts: readonly Part[], outcomes: readonly Outcome[]): Outcome {
    const accepted = outcomes.filter((outcome): outcome is Accepted => outcome.kind === "accepted");
    if (accepted.length === outcomes.length && accepted.every(({ replayed }) => replayed)) {
      const past = parts.map(({ places }, i) => ({ places, newStock: accepted[i]?.newStock ?? [] }));
      return { ...answer(sale, past, accepted[0]?.seq ?? 0), replayed: true };
    }
    const refused = outcomes.find(({ kind }) => kind !== "accepted" && kind !== "outcome_unknown");
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
    const isUnknown = decision === undefined;
    if (decision !== "committed") decision = await this.#abort(attempt, prepared, askedAtMs, isUnknown);
    if (decision === "committed") {
      await this.#carryOut("commit", sale, prepared, askedAtMs);
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
    await this.#carryOut("abort", attempt, prepared, askedAtMs);
    return ended ?? "aborted";
  }

  /** Tells each shard. One that does not answer hears it from its worker. */
  async #carryOut(
    kind: "commit" | "abort",
    { orderId }: Pick<Attempt, "orderId">,
    prepared: readonly PreparedPart[],
    askedAtMs: number,
  ): Promise<void> {
    await Promise.all(
      prepared.map(({ shard, seq: preparedSeq }) =>
        this.#parts.ask(shard, { kind, orderId, preparedSeq, actor: "holdfast", traceparent: "" }, askedAtMs)
      ),
    );
  }

  /** The same basket again, or another one under its order id. */
  #repeat(sale: Sale, found: CommittedBasket, parts: readonly Part[]): Outcome {
    const differs = differing(sale, found.userId, found.lines);
    if (differs !== undefined) return { kind: "conflict", sku: differs };
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

/**
 * The outcome of a basket that the ledger knows from before; undefined when its lines are new. An order has one basket of
 * several shards, so all of its lines of that kind are compared.
 */
function repeated(sale: Sale, known: readonly RememberedLine[]): Outcome | undefined {
  const bySku = new Map(known.filter((line) => !isPrepared(line)).map((line) => [line.sku, line]));
  const other = sale.lines.find(({ sku }) => (bySku.get(sku)?.kind ?? "prepare") !== "prepare");
  if (other) return { kind: "conflict", sku: other.sku };
  const basket = [...bySku.values()].filter(({ kind }) => kind === "prepare");
  const [first] = basket;
  if (!first) return undefined;
  const differs = differing(sale, first.userId, basket);
  if (differs !== undefined) return { kind: "conflict", sku: differs };
  const past = sale.lines.map(({ sku }) => bySku.get(sku));
  const newStock = past.map((line) => line?.newStock ?? 0);
  return { ...answer(sale, [{ places: [...newStock.keys()], newStock }], past[0]?.seq ?? 0), replayed: true };
}

/**
 * What shards remember of an order, with the decision on prepared lines: those of a committed basket are sold, those of any
 * other attempt are nothing yet.
 *
 * @param found by shard
 */
export async function decidedMemory(
  found: readonly ShardMemory[],
  orderId: string,
  decisions: BasketDecisions | null,
): Promise<readonly ShardMemory[]> {
  if (!found.some(({ lines }) => lines.some(isPrepared))) return found;
  const basket = await decisions?.find(orderId);
  const seqs = new Map(
    basket?.kind === "committed" ? basket.parts.map(({ shard, seq }) => [shard, seq]) : [],
  );
  return found.map((memory, shard) => ({
    ...memory,
    lines: memory.lines.flatMap((line): RememberedLine[] => {
      if (!isPrepared(line)) return [line];
      return line.seq === seqs.get(shard) ? [{ ...line, state: "accepted" }] : [];
    }),
  }));
}

/** The first SKU in which a basket differs from an earlier one; undefined when they are the same. */
function differing(sale: Sale, userId: string, lines: readonly Line[]): string | undefined {
  const amounts = new Map(lines.map(({ sku, amount }) => [sku, amount]));
  const other = sale.lines.find(({ sku, amount }) => amounts.get(sku) !== amount);
  if (other) return other.sku;
  return sale.userId !== userId || lines.length !== sale.lines.length ? sale.lines[0]?.sku ?? "" : undefined;
}

/** The outcome of a basket that is sold. `seq` is the number in the shard of its first line. */
function answer(
  sale: Sale,
  parts: readonly { readonly places: readonly number[]; readonly newStock: readonly number[] }[],
  seq: number,
): Accepted {
  const newStock = sale.lines.map(() => 0);
  for (const part of parts) part.places.forEach((place, i) => newStock[place] = part.newStock[i] ?? 0);
  return { kind: "accepted", seq, newStock, replayed: false, created: false, expiresAtMs: 0 };
}
