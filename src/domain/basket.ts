/**
 * The commands of a basket of several shards, each to one of them.
 *
 * @module
 */
import type { Origin, Sale } from "./command.ts";

/**
 * Takes the units of one shard's lines of a basket of several shards, until the decision on the basket. A sale like any
 * other, which does not count as accepted before {@link Settle}.
 */
export interface Prepare extends Omit<Sale, "kind"> {
  /** Discriminates commands; also the kind of the event. */
  readonly kind: "prepare";
  /** {@link attemptName} of the basket. */
  readonly attempt: string;
}

/** The name of an attempt, which every line of it has: its lowest shard, and its UUID. */
export function attemptName(home: number, attempt: string): string {
  return `${home}/${attempt}`;
}

/** The lowest shard of a named attempt; undefined without a name, as in lines of earlier versions. */
export function homeOf(name: string): number | undefined {
  const [, home] = /^(\d+)\//.exec(name) ?? [];
  return home === undefined ? undefined : Number(home);
}

/**
 * Carries out the decision on a basket of several shards, in one of them: `commit` sells the lines that were prepared,
 * `abort` returns their units and forgets them. Both may be repeated.
 */
export interface Settle extends Origin {
  /** Discriminates commands; also the kind of the event. */
  readonly kind: "commit" | "abort";
  /** The shop's id, 1..{@link limits.idBytesMax} bytes. All clients share one space of them. */
  readonly orderId: string;
  /** Number of the event that prepared the lines. */
  readonly preparedSeq: number;
}
