/**
 * What a look at a shard's store means: whose it is, and whether store or ledger went back to an older state.
 *
 * @module
 */
import type { ShardView } from "../decide/shard_control.ts";
import type { Cursor, Deployment } from "../ledger/ledger.ts";

/** Whose shard it must be. */
export interface Owner {
  /** Whose stock the ledger has. */
  readonly deployment: Deployment;
  /** Which shard. */
  readonly shard: number;
}

/** PostgreSQL was restored from an older copy, or failed over to a standby that lost commits. */
export function whyLedgerWentBack({ position, applied }: ShardView, cursor: Cursor): string | undefined {
  if (applied > cursor.seq) {
    return `it ends at ${cursor.seq}, and the store was told that ${applied} is booked`;
  }
  if (position.epoch > cursor.issuedEpoch) {
    return `it issued epoch ${cursor.issuedEpoch} last, and the store was armed under ${position.epoch}`;
  }
  return undefined;
}

/** An armed store that goes on as it is was verified by the worker before, with this ledger, and is where it left it. */
export function whyNotTakenOver({ position }: ShardView, cursor: Cursor): string | undefined {
  if (position.epoch !== cursor.issuedEpoch) {
    return `it is armed under epoch ${position.epoch}, and the ledger issued ${cursor.issuedEpoch} last`;
  }
  if (position.seq < cursor.seq) return `it ends at ${position.seq}, and ${cursor.seq} is booked`;
  return undefined;
}

/** A store that was told that an event is applied was told so by the ledger that applied it. */
export function whyOtherLedger({ applied }: ShardView, first: number | undefined): string | undefined {
  if (first === undefined || first > applied) return undefined;
  return `the store was told that ${applied} is booked, and its event ${first} is not the one that this ledger has`;
}

/** A wrong address in a setting must not overwrite somebody's stock. */
export function whyForeign(view: ShardView, { deployment, shard }: Owner): string | undefined {
  const cannot = `Cannot arm shard ${shard} as its store`;
  if (view.deployment !== null && view.deployment !== deployment.id) {
    return `${cannot} belongs to another deployment: ${view.deployment} there, ${deployment.id} here`;
  }
  if (view.deployment === null && !view.empty) {
    return `${cannot} holds keys of unknown origin: none of them says which deployment it belongs to`;
  }
  if (view.deployment !== null && view.shards !== deployment.shards) {
    return `${cannot} was made for SHARDS=${view.shards}: current value is ${deployment.shards}`;
  }
  return undefined;
}

/**
 * Why a store must be filled from the ledger; undefined when it need not.
 *
 * @param highest the highest number known to have been issued
 * @param forked events that it sold under numbers that are applied
 */
export function whyRebuild(view: ShardView, highest: number, forked: number): string | undefined {
  if (view.deployment === null) return highest > 0 ? "the store is empty" : undefined;
  if (view.position.epoch === 0) return "an earlier restore did not end";
  if (forked > 0) {
    return `the store went back: ${forked} of its events have numbers that are booked with other contents`;
  }
  if (view.position.seq < highest) {
    return `the store went back: it ends at ${view.position.seq} of ${highest}`;
  }
  return undefined;
}
