/**
 * W3C Trace Context: ids and sampling of traces. Ids are generated at once, because they are written into the log with the
 * order; everything else of a trace is made when needed.
 *
 * @module
 */
import type { TelemetryConfig } from "../runtime/settings/config.ts";
import type { World } from "../runtime/world.ts";
import type { TraceContext } from "../runtime/trace_context.ts";
import type { SpanRef } from "./spans.ts";

const words = 2 ** 32;

export interface ContextSource {
  /**
   * The context of a child of the caller's span, or of a new trace.
   *
   * @param caller its `traceparent`; empty without one
   */
  contextOf(caller: string): TraceContext;
}

/**
 * Generates contexts. To be fast, an id is drawn once per process, and one word of it, 8 digits, takes all its 2^32 values
 * for successive traces, in pseudo-random order: it does not repeat, and is printed once, for the trace and for the span
 * that is written into the log.
 */
export class Tracing implements ContextSource {
  readonly #world: World;
  readonly #config: TelemetryConfig;
  /** The parts of a `traceparent` before the word of the trace id, after it, and before the word of the span id. */
  readonly #start: string;
  readonly #middle: string;
  readonly #spanStart: string;
  #word: number;

  constructor(world: World, config: TelemetryConfig) {
    this.#world = world;
    this.#config = config;
    const drawn = () => hex8(Math.floor(world.random() * words));
    const fixed = drawn() + drawn() + drawn();
    this.#spanStart = `-${drawn()}`;
    // Samplers use the last 56 bits of a trace id, which begin with the word.
    this.#start = `00-${fixed.slice(0, 18)}`;
    this.#middle = fixed.slice(18) + this.#spanStart;
    this.#word = Math.floor(world.random() * words);
  }

  contextOf(caller: string): TraceContext {
    // A step of the golden ratio of 2^32, which is odd: every value comes once, and neighbors are far apart.
    const idLow = this.#word = (this.#word + 0x9e3779b1) >>> 0;
    // The largest values, according to the specification: samplers with the same ratio decide alike.
    const isDrawn = caller === "" ? idLow >= words * (1 - this.#config.traceRatio) : isSampled(caller);
    return new DrawnContext(this, caller, idLow, isDrawn || this.#keepsAll());
  }

  /** Prints the `traceparent` of a context. */
  print(caller: string, idLow: number, sampled: boolean): string {
    const digits = hex8(idLow);
    const start = caller === "" ? this.#start + digits + this.#middle : caller.slice(0, 35) + this.#spanStart;
    return start + digits + flagsOf(sampled);
  }

  #keepsAll(): boolean {
    const { traceSampling, traceFull } = this.#config;
    if (traceSampling === "collector") return true;
    // By the wall clock, so that all processes open the window at the same time.
    return traceFull !== null && this.#world.now() / 1000 % traceFull.everyS < traceFull.forS;
  }
}

/** Printed when needed: 99 of 100 traces are not sampled, and cost an order a microsecond and 55 bytes of its event. */
class DrawnContext implements TraceContext {
  #traceparent = "";

  constructor(
    readonly tracing: Tracing,
    readonly caller: string,
    readonly idLow: number,
    readonly sampled: boolean,
  ) {}

  get traceparent(): string {
    return this.#traceparent ||= this.tracing.print(this.caller, this.idLow, this.sampled);
  }

  get parentSpanId(): string {
    return this.caller.slice(36, 52);
  }
}

function flagsOf(sampled: boolean): string {
  return sampled ? "-01" : "-00";
}

/** What the ids of a context's spans are made of. */
export type SpanIds = Pick<TraceContext, "traceparent" | "idLow">;

/** The trace id of a context. */
export function traceIdOf({ traceparent }: SpanIds): string {
  return traceparent.slice(3, 35);
}

/** The id of the `n`th span of a context, from 0. */
export function spanIdOf({ traceparent, idLow }: SpanIds, n: number): string {
  return n === 0 ? traceparent.slice(36, 52) : traceparent.slice(36, 44) + hex8((idLow + n) % words);
}

/** The span of a `traceparent`; undefined when it is malformed. */
export function spanRefOf(traceparent: string): SpanRef | undefined {
  // A `traceparent` in the log was checked on receipt.
  if (traceparent.length !== 55) return undefined;
  return {
    traceId: traceparent.slice(3, 35),
    spanId: traceparent.slice(36, 52),
    sampled: isSampled(traceparent),
  };
}

/** Whether the trace of a `traceparent` is sampled: bit 0 of the flags. */
export function isSampled(traceparent: string): boolean {
  const digit = traceparent.charCodeAt(54);
  // Codes of 0 to 9 are odd with their digits, those of a to f are even.
  return (digit & 1) === (digit <= 0x39 ? 1 : 0);
}

/** Bytes as digits: printing a word by them takes half as long as `toString`. */
const bytes = Array.from({ length: 256 }, (_, n) => n.toString(16).padStart(2, "0"));

function hex8(word: number): string {
  return `${bytes[word >>> 24]}${bytes[word >>> 16 & 255]}${bytes[word >>> 8 & 255]}${bytes[word & 255]}`;
}
