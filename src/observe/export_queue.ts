/**
 * Counts sent and lost telemetry: an SDK's queue drops silently.
 *
 * @module
 */
import { ExportResultCode } from "@opentelemetry/core";

export type Signal = "spans" | "logs" | "metrics";

/** The SDK's result of an export. */
export interface Sent {
  /** 0 = success. */
  readonly code: number;
  readonly error?: Error;
}

/** An exporter of the SDK, of any signal. */
export interface Exporter<Batch> {
  export(batch: Batch, done: (result: Sent) => void): void;
}

/** Mirrors the length of the SDK's queue of one signal, and counts what is dropped. */
export class ExportQueue {
  /** Items that were dropped since the start. */
  dropped = 0;
  #waiting = 0;

  /**
   * @param queueMax maximum number of waiting items
   * @param onFailure called with the reason when a batch is lost
   */
  constructor(
    readonly signal: Signal,
    readonly queueMax: number,
    readonly onFailure: (signal: Signal, why: string) => void,
  ) {}

  /** Whether there is room for `items` more; otherwise they are counted as dropped. */
  admit(items: number): boolean {
    if (this.#waiting + items > this.queueMax) {
      this.dropped += items;
      return false;
    }
    this.#waiting += items;
    return true;
  }

  /** Counts lost items and reports the reason. */
  lost(items: number, why: string): void {
    this.dropped += items;
    this.onFailure(this.signal, why);
  }

  /** Counts the items that `exporter` gets and loses; `sizeOf` a batch is in items. */
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
