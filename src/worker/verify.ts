/**
 * Interprets the state of a shard's store: which deployment owns it, and whether store or ledger went back to an older
 * state.
 *
 * @module
 */
import type { ShardView } from "../decide/shard_control.ts";
import type { Cursor, Deployment } from "../ledger/ledger.ts";

/** The expected owner of a store. */
export interface Owner {
  readonly deployment: Deployment;
  readonly shard: number;
}

/** PostgreSQL was restored from an older copy, or failed over to a standby that lost commits. */
export function whyLedgerWentBack({ position, applied }: ShardView, cursor: Cursor): string | undefined {
  if (applied > cursor.seq) {
    return `it ends at ${cursor.seq}, and the store has an acknowledgement of ${applied}`;
  }
  if (position.epoch > cursor.issuedEpoch) {
    return `it issued epoch ${cursor.issuedEpoch} last, and the store was armed under ${position.epoch}`;
  }
  return undefined;
}

/** Why an armed store cannot continue: it was not verified with this ledger, or not in its present state. */
export function whyNotTakenOver({ position }: ShardView, cursor: Cursor): string | undefined {
  if (position.epoch !== cursor.issuedEpoch) {
    return `it is armed under epoch ${position.epoch}, and the ledger issued ${cursor.issuedEpoch} last`;
  }
  if (position.seq < cursor.seq) return `it ends at ${position.seq}, and ${cursor.seq} is applied`;
  return undefined;
}

/** Only the ledger that applied an event acknowledges it to the store. */
export function whyOtherLedger({ applied }: ShardView, first: number | undefined): string | undefined {
  if (first === undefined || first > applied) return undefined;
  return `the store has an acknowledgement of ${applied}, and its event ${first} is not the one in this ledger`;
}

/** A wrong address in a setting must not overwrite the stock of another deployment. */
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
 * Why a store must be rebuilt from the ledger; undefined when it is intact.
 *
 * @param highest the highest number known to have been issued
 * @param forked number of its events whose numbers are applied with other contents
 * @param sold what these events sold, as text
 */
export function whyRebuild(view: ShardView, highest: number, forked: number, sold = ""): string | undefined {
  if (view.deployment === null) return highest > 0 ? "the store is empty" : undefined;
  if (view.position.epoch === 0) return "an earlier restore did not end";
  if (forked > 0) {
    const lost = sold === "" ? "" : `; lost: ${sold}`;
    return `the store went back: ${forked} of its events have numbers that are applied with other contents${lost}`;
  }
  if (view.position.seq < highest) {
    return `the store went back: it ends at ${view.position.seq} of ${highest}`;
  }
  return undefined;
}
