/**
 * Where in which trace something happens (W3C Trace Context), and whether the trace is kept. Ids are decided at once,
 * because they go into the log with the order; everything else about a trace waits until it is needed.
 *
 * @module
 */
import type { TelemetryConfig } from "../runtime/settings/config.ts";
import type { World } from "../runtime/world.ts";
import type { TraceContext } from "../runtime/trace_context.ts";
import type { SpanRef } from "./spans.ts";

const words = 2 ** 32;

/** Finds places in traces. */
export interface Places {
  /**
   * A place under the caller's span, or at the start of a new trace.
   *
   * @param caller its `traceparent`; empty without one
   */
  place(caller: string): TraceContext;
}

/**
 * Makes places of our own. An order pays for this, so an id is drawn once a process and one word of it, 8 digits, goes
 * through all its 2^32 values for one trace after the other, in an order that looks like chance: it never repeats, and
 * is printed once, for the trace and for the span that goes into the log.
 */
export class Tracing implements Places {
  readonly #world: World;
  readonly #config: TelemetryConfig;
  /** What is before the word in a trace's id, behind it, and before it in a span's id, as a `traceparent` has them. */
  readonly #start: string;
  readonly #middle: string;
  readonly #spanStart: string;
  #word: number;

  /** Decides as `config` says. */
  constructor(world: World, config: TelemetryConfig) {
    this.#world = world;
    this.#config = config;
    const drawn = () => hex8(Math.floor(world.random() * words));
    const fixed = drawn() + drawn() + drawn();
    this.#spanStart = `-${drawn()}`;
    // Samplers look for chance in the last 56 bits of a trace's id: they begin with the word.
    this.#start = `00-${fixed.slice(0, 18)}`;
    this.#middle = fixed.slice(18) + this.#spanStart;
    this.#word = Math.floor(world.random() * words);
  }

  place(caller: string): TraceContext {
    // A step of the golden ratio of 2^32, which is odd: every value comes once, and neighbors are far apart.
    const idLow = this.#word = (this.#word + 0x9e3779b1) >>> 0;
    const digits = hex8(idLow);
    if (caller !== "") {
      const sampled = isSampled(caller) || this.#keepsAll();
      const traceparent = caller.slice(0, 35) + this.#spanStart + digits + flagsOf(sampled);
      return { traceparent, parentSpanId: caller.slice(36, 52), sampled, idLow };
    }
    // The largest values, as the specification has it: others who sample by the same ratio decide alike.
    const sampled = idLow >= words * (1 - this.#config.traceRatio) || this.#keepsAll();
    const traceparent = this.#start + digits + this.#middle + digits + flagsOf(sampled);
    return { traceparent, parentSpanId: "", sampled, idLow };
  }

  #keepsAll(): boolean {
    const { traceSampling, traceFull } = this.#config;
    if (traceSampling === "collector") return true;
    // By the clock on the wall, so that all processes open the window at once.
    return traceFull !== null && this.#world.now() / 1000 % traceFull.everyS < traceFull.forS;
  }
}

function flagsOf(sampled: boolean): string {
  return sampled ? "-01" : "-00";
}

/** The id of a place's trace. */
export function traceIdOf({ traceparent }: TraceContext): string {
  return traceparent.slice(3, 35);
}

/** The id of the `n`th span of a place, from 0. */
export function spanIdOf({ traceparent, idLow }: TraceContext, n: number): string {
  return n === 0 ? traceparent.slice(36, 52) : traceparent.slice(36, 44) + hex8((idLow + n) % words);
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
const bytes = Array.from({ length: 256 }, (_, n) => n.toString(16).padStart(2, "0"));

function hex8(word: number): string {
  return `${bytes[word >>> 24]}${bytes[word >>> 16 & 255]}${bytes[word >>> 8 & 255]}${bytes[word & 255]}`;
}
