/**
 * Counts what is sent and what is lost: an SDK's queue drops in silence.
 *
 * @module
 */
import { ExportResultCode } from "@opentelemetry/core";

/** What leaves a process. */
export type Signal = "spans" | "logs" | "metrics";

/** How sending went, as the SDK says it. */
export interface Sent {
  /** 0 = the receiver took all of it. */
  readonly code: number;
  /** What went wrong. */
  readonly error?: Error;
}

/** An exporter of the SDK, of whatever signal. */
export interface Exporter<Batch> {
  /** Sends a batch, and says how that went. */
  export(batch: Batch, done: (result: Sent) => void): void;
}

/** Mirrors the length of the SDK's queue of one signal, and counts what is dropped. */
export class ExportQueue {
  /** Items that were dropped since the start. */
  dropped = 0;
  #waiting = 0;

  /**
   * Begins empty.
   *
   * @param queueMax how many may wait
   * @param onFailure called with the reason when a batch is lost
   */
  constructor(
    readonly signal: Signal,
    readonly queueMax: number,
    readonly onFailure: (signal: Signal, why: string) => void,
  ) {}

  /** Whether there is room for `items` more, which are counted as dropped when there is not. */
  admit(items: number): boolean {
    if (this.#waiting + items > this.queueMax) {
      this.dropped += items;
      return false;
    }
    this.#waiting += items;
    return true;
  }

  /** Counts items that are gone, and says why. */
  lost(items: number, why: string): void {
    this.dropped += items;
    this.onFailure(this.signal, why);
  }

  /** Counts what `exporter` is given and what it loses; `sizeOf` a batch is in items. */
  watch<Batch, E extends Exporter<Batch>>(exporter: E, sizeOf: (batch: Batch) => number): E {
    const send = exporter.export.bind(exporter);
    exporter.export = (batch, done) => {
      const items = sizeOf(batch);
      this.#waiting = Math.max(0, this.#waiting - items);
      send(batch, (result) => {
        if (result.code !== ExportResultCode.SUCCESS) {
          this.lost(items, result.error?.message || "the receiver refused");
        }
        done(result);
      });
    };
    return exporter;
  }
}
