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
  /** The last 8 digits of the first of them, as a number. */
  readonly idLow: number;
  /** The same as digits. */
  readonly lowDigits: string;
  /** What goes into the log, where somebody else makes the ids; else it follows from them. */
  readonly traceparent?: string;
}

/** Finds places in traces. */
export interface Places {
  /** A place under the caller's span, or at the start of a new trace without one. */
  place(traceparent: string): TraceContext;
}

/**
 * Makes places of our own. An order pays for this, so an id is drawn once a process and one word of it, 8 digits, goes
 * through all its 2^32 values for one trace after the other, in an order that looks like chance: it never repeats, and
 * is printed once, for the trace and for the span that goes into the log.
 */
export class Tracing implements Places {
  readonly #world: World;
  readonly #config: TelemetryConfig;
  /** Digits of a trace's id before the word. */
  readonly #before: string;
  /** And behind it. The last 56 bits of an id are where samplers look for chance: they begin with the word. */
  readonly #behind: string;
  readonly #idHigh: string;
  #word: number;

  /** Decides as `config` says. */
  constructor(world: World, config: TelemetryConfig) {
    this.#world = world;
    this.#config = config;
    const drawn = () => hex8(Math.floor(world.random() * words));
    const fixed = drawn() + drawn() + drawn();
    this.#before = fixed.slice(0, 18);
    this.#behind = fixed.slice(18);
    this.#idHigh = drawn();
    this.#word = Math.floor(world.random() * words);
  }

  place(traceparent: string): TraceContext {
    // A step of the golden ratio of 2^32, which is odd: every value comes once, and neighbours are far apart.
    const idLow = this.#word = (this.#word + 0x9e3779b1) >>> 0;
    const lowDigits = hex8(idLow);
    const idHigh = this.#idHigh;
    if (traceparent !== "") {
      const sampled = isSampled(traceparent) || this.#keepsAll();
      const traceId = traceparent.slice(3, 35);
      return { traceId, parentSpanId: traceparent.slice(36, 52), sampled, idHigh, idLow, lowDigits };
    }
    // The largest values, as the specification has it: others who sample by the same ratio decide alike.
    const sampled = idLow >= words * (1 - this.#config.traceRatio) || this.#keepsAll();
    return {
      traceId: this.#before + lowDigits + this.#behind,
      parentSpanId: "",
      sampled,
      idHigh,
      idLow,
      lowDigits,
    };
  }

  #keepsAll(): boolean {
    const { traceSampling, traceFull } = this.#config;
    if (traceSampling === "collector") return true;
    // By the clock on the wall, so that all processes open the window at once.
    return traceFull !== null && this.#world.now() / 1000 % traceFull.everyS < traceFull.forS;
  }
}

/** The id of the `n`th span of a place, from 0. */
export function spanIdOf({ idHigh, idLow, lowDigits }: TraceContext, n: number): string {
  return idHigh + (n === 0 ? lowDigits : hex8((idLow + n) % words));
}

/** The header `traceparent` of the first span of a place. */
export function traceparentOf(place: TraceContext): string {
  const { traceparent, traceId, idHigh, lowDigits, sampled } = place;
  return traceparent ?? `00-${traceId}-${idHigh}${lowDigits}-${sampled ? "01" : "00"}`;
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
  const digit = traceparent.charCodeAt(54);
  // Codes of 0 to 9 are odd with their digits, those of a to f are even.
  return (digit & 1) === (digit <= 0x39 ? 1 : 0);
}

/** A byte as digits: to print a word by them takes half as long as `toString`. */
const digits = Array.from({ length: 256 }, (_, n) => n.toString(16).padStart(2, "0"));

function hex8(word: number): string {
  return `${digits[word >>> 24]}${digits[word >>> 16 & 255]}${digits[word >>> 8 & 255]}${digits[word & 255]}`;
}
