/**
 * Observer of worker events, called after the fact. Implementations must not block or throw.
 *
 * @module
 */
import type { LogEntry } from "../domain/event.ts";
import type { Booked } from "./apply.ts";

/** Entries that are being applied. */
export interface ApplyObserver {
  /** W3C `traceparent` of the applying: for lines of the log about it. */
  readonly traceparent: string;
  /** They are in the ledger, or do not follow on them. */
  ended(booked: Booked): void;
  /** Nobody knows whether they are in the ledger. */
  failed(error: unknown): void;
}

/** What came of a verification, in one word. */
export type ArmingResult = "armed" | "rebuilt" | "refused" | "changed";

/** Figures of a shard that are asked for now and then, because they cost a query. */
export interface ShardFigures {
  /** Events that wait for a person. */
  readonly deadLetters: number;
  /** SKUs that are nearly gone; null when they were not asked for. */
  readonly lowStock: readonly { readonly sku: string; readonly available: number }[] | null;
}

/** Watches how shards are kept. */
export interface WorkerObserver {
  /** The lease of a shard was taken. */
  leased(shard: number): void;
  /** The lease is gone, or was given back. */
  released(shard: number): void;
  /** A shard was verified. `driftUnits`: by how much store and ledger differ. */
  verified(shard: number, result: ArmingResult, driftUnits: number): void;
  /** The store is no longer the one that was verified. */
  disarmed(shard: number): void;
  /** Entries are about to be applied. */
  booking(shard: number, entries: readonly LogEntry[]): ApplyObserver;
  /** A look at the store: the last number issued, and the last one applied. */
  visited(shard: number, head: number, booked: number): void;
  /** Entries were appended to the topic, between two readings of the monotonic clock. */
  appended(shard: number, entries: readonly LogEntry[], startMs: number, endMs: number): void;
  /** A topic was read, in which so many messages are still to be read. */
  topicRead(shard: number, unread: number): void;
  /** The shard's servers were looked at: how many promises are off or in doubt. */
  guaranteesOff(shard: number, count: number): void;
  /** Figures were asked for. */
  figures(shard: number, figures: ShardFigures): void;
}

/** Nobody watches. */
export const unwatched: WorkerObserver = {
  leased() {},
  released() {},
  verified() {},
  disarmed() {},
  booking: () => ({ traceparent: "", ended() {}, failed() {} }),
  visited() {},
  appended() {},
  topicRead() {},
  guaranteesOff() {},
  figures() {},
};
