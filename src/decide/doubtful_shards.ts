/**
 * Shards that lately did not decide on a part of a basket: not armed, away, full, or with an earlier attempt of the order.
 *
 * Every part that is prepared and aborted is two events. A client whose basket was not decided sends it again, so one such
 * shard makes the others write without end, and their ledger falls behind. Therefore a doubtful shard is asked first, and
 * the others only when it has prepared its part. That costs another call to a store, while a basket waits for a commit of
 * the ledger anyway.
 *
 * @module
 */
import type { Outcome } from "../domain/outcome.ts";
import type { World } from "../runtime/world.ts";

/** After its last outcome that was no decision. Clients are asked to try again within 3 s. */
const doubtfulForMs = 10_000;

const noDecision: ReadonlySet<Outcome["kind"]> = new Set([
  ...["unarmed", "store_unavailable", "outcome_unknown", "overloaded", "late", "postponed"] as const,
  ...["store_full", "backlog_full", "pending"] as const,
]);

/** Asks the shards of a basket for their parts, those first that may not decide. */
export class DoubtfulShards {
  readonly #world: Pick<World, "elapsedMs">;
  /** By shard: when it did not decide last, monotonic ms. */
  readonly #undecidedMs = new Map<number, number>();

  /** No shard is doubtful at first. */
  constructor(world: Pick<World, "elapsedMs">) {
    this.#world = world;
  }

  /**
   * The outcome of each part, in their order. Parts are not asked for when a doubtful shard has not accepted its own:
   * their outcome is undefined.
   */
  async ask<Part extends { readonly shard: number }>(
    parts: readonly Part[],
    ask: (part: Part) => Promise<Outcome>,
  ): Promise<(Outcome | undefined)[]> {
    const undecidedMs = ({ shard }: Part) => this.#undecidedMs.get(shard) ?? -Infinity;
    const sinceMs = this.#world.elapsedMs() - doubtfulForMs;
    const doubtful = parts.filter((part) => undecidedMs(part) > sinceMs);
    const outcomes = new Map<Part, Outcome>();
    const askOne = async (part: Part) => {
      const outcome = await ask(part);
      outcomes.set(part, outcome);
      if (noDecision.has(outcome.kind)) this.#undecidedMs.set(part.shard, this.#world.elapsedMs());
      return outcome.kind === "accepted";
    };
    let mayAskOthers = true;
    // First the one that did not decide most recently: it is the likeliest to refuse again.
    for (const part of doubtful.toSorted((a, b) => undecidedMs(b) - undecidedMs(a))) {
      mayAskOthers &&= await askOne(part);
    }
    if (mayAskOthers) await Promise.all(parts.filter((part) => !doubtful.includes(part)).map(askOne));
    return parts.map((part) => outcomes.get(part));
  }
}
