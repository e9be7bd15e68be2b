/**
 * Metrics of calls to the stores: batch sizes, and durations of Redis and PostgreSQL.
 *
 * @module
 */
import type { StoreCall } from "../decide/command_timings.ts";
import { instruments } from "./instruments.ts";
import type { Series } from "../runtime/histogram.ts";
import { Cells, type Meter, overflowLabels } from "./meter.ts";

/** Blocking commands, whose duration says nothing about Redis. */
const waiting: ReadonlySet<string> = new Set(["XREAD"]);

/** Counts calls. */
export class StoreCalls {
  readonly #batchSize: Series;
  readonly #durations: Cells<string, string, Series>;

  constructor(meter: Meter) {
    const { batchSize, callDuration } = instruments;
    this.#batchSize = meter.series(batchSize, {});
    this.#durations = new Cells(
      callDuration.seriesMax,
      (call, error) => {
        const [system = "", operation = ""] = call.split(" ");
        return meter.series(callDuration, {
          "db.system.name": system,
          "db.operation.name": operation,
          ...error !== "" && { "error.type": error },
        });
      },
      () => meter.series(callDuration, overflowLabels),
    );
  }

  /** A batcher's call, memory or Redis. */
  batcher(call: StoreCall): void {
    this.#batchSize.record(call.size);
  }

  /** An operation of a client; `error` is one word, empty after success. */
  client(system: string, operation: string, ms: number, error: string): void {
    if (waiting.has(operation)) return;
    this.#durations.get(`${system} ${operation}`, error).record(ms / 1000);
  }
}
