/**
 * Where in which trace something happens (W3C Trace Context), and whether the trace is kept. Ids are decided at once,
 * because they go into the log with the order; everything else about a trace waits until it is needed.
 *
 * @module
 */
import type { TelemetryConfig } from "../config.ts";
import type { World } from "../world.ts";
import type { SpanRef } from "./spans.ts";

const words = 2 ** 32;

/** A place in a trace. Spans that happen here have ids of one row, so that only its start is kept. */
export interface TraceContext {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** The caller's span; empty when the trace begins here. */
  readonly parentSpanId: string;
  /** Whether it is kept whatever happens. */
  readonly sampled: boolean;
  /** The first 8 digits of the ids of this place. */
  readonly idHigh: string;
  /** The number of their last 8 digits, of the first. */
  readonly idLow: number;
  /** What goes into the log, where somebody else makes the ids; else it follows from them. */
  readonly traceparent?: string;
}

/** Finds places in traces. */
export interface Places {
  /** A place under the caller's span, or at the start of a new trace without one. */
  place(traceparent: string): TraceContext;
}

/** Makes places of our own. */
export class Tracing implements Places {
  readonly #world: World;
  readonly #config: TelemetryConfig;
  /**
   * Half of an id is that of the process. 64 random bits that it shares with nobody and 64 that are drawn for each trace
   * are as good as 128; and two spans of one trace and one process differ in the lower half.
   */
  readonly #traceIdHigh: string;
  readonly #spanIdHigh: string;

  /** Decides as `config` says. */
  constructor(world: World, config: TelemetryConfig) {
    this.#world = world;
    this.#config = config;
    this.#traceIdHigh = hex8(this.#word()) + hex8(this.#word());
    this.#spanIdHigh = hex8(this.#word());
  }

  place(traceparent: string): TraceContext {
    const idHigh = this.#spanIdHigh;
    const idLow = this.#word();
    if (traceparent !== "") {
      const sampled = isSampled(traceparent) || this.#keepsAll();
      return {
        traceId: traceparent.slice(3, 35),
        parentSpanId: traceparent.slice(36, 52),
        sampled,
        idHigh,
        idLow,
      };
    }
    const last = this.#word();
    return {
      traceId: this.#traceIdHigh + hex8(this.#word()) + hex8(last),
      parentSpanId: "",
      // By the id, as other tracers do it, so that they would decide alike.
      sampled: last < this.#config.traceRatio * words || this.#keepsAll(),
      idHigh,
      idLow,
    };
  }

  #keepsAll(): boolean {
    const { traceSampling, traceFull } = this.#config;
    if (traceSampling === "collector") return true;
    // By the clock on the wall, so that all processes open the window at once.
    return traceFull !== null && this.#world.now() / 1000 % traceFull.everyS < traceFull.forS;
  }

  #word(): number {
    return Math.floor(this.#world.random() * words);
  }
}

/** The id of the `n`th span of a place, from 0. */
export function spanIdOf({ idHigh, idLow }: TraceContext, n: number): string {
  // Ids of zeros only are invalid.
  return idHigh + hex8((idLow + n) % words || 1);
}

/** The header `traceparent` of the `n`th span of a place. */
export function traceparentOfSpan(place: TraceContext, n: number): string {
  return place.traceparent ?? `00-${place.traceId}-${spanIdOf(place, n)}-${place.sampled ? "01" : "00"}`;
}

/** The span that a `traceparent` means; undefined when it is none. */
export function spanRefOf(traceparent: string): SpanRef | undefined {
  // What is in the log was checked when it came in.
  if (traceparent.length !== 55) return undefined;
  return {
    traceId: traceparent.slice(3, 35),
    spanId: traceparent.slice(36, 52),
    sampled: isSampled(traceparent),
  };
}

/** Whether the trace of a `traceparent` is kept: bit 0 of the flags. */
export function isSampled(traceparent: string): boolean {
  return (Number.parseInt(traceparent.slice(54, 55), 16) & 1) === 1;
}

/** Every two bytes as digits: an order needs three words, and to print one took 0.1 us. */
const digits = Array.from({ length: 65_536 }, (_, n) => n.toString(16).padStart(4, "0"));

function hex8(word: number): string {
  return (digits[word >>> 16] ?? "") + (digits[word & 0xffff] ?? "");
}
