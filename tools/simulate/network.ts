/**
 * Calls between processes and servers. Calls of one connection arrive in their order; calls of different ones do not.
 *
 * @module
 */
import type { Chance, Process, Scheduler } from "./scheduler.ts";

/** A server that calls lead to. */
export type Server = "store" | "ledger" | "api";

interface Link {
  arrivesMs: number;
  repliesMs: number;
}

/** How a call fails when the connection is lost. */
export type Lost = () => Error;

/** Delivers calls and replies. */
export class Network {
  readonly #links = new Map<string, Link>();
  /** The next calls to a store or a ledger meet these faults, one each. */
  readonly pending: ("lose-request" | "lose-reply" | "delay")[] = [];

  constructor(readonly scheduler: Scheduler, readonly chance: Chance) {}

  /** Runs `serve` at the server, and brings its result back. `lost` is thrown when a message is lost. */
  call<T>(from: Process, to: Server, name: string, serve: () => T | Promise<T>, lost: Lost): Promise<T> {
    const { scheduler } = this;
    const link = this.#link(`${from.name} ${to}`);
    const fault = this.pending.shift();
    if (fault) scheduler.note(`${fault} ${from.name} ${to} ${name}`);
    return new Promise((resolve, reject) => {
      if (fault === "lose-request") return void scheduler.after(200, from, () => reject(lost()));
      link.arrivesMs = Math.max(link.arrivesMs, scheduler.nowMs + this.#delayMs(fault));
      scheduler.after(link.arrivesMs - scheduler.nowMs, undefined, () => {
        scheduler.note(`${to} serves ${name} of ${from.name}`);
        const reply = (act: () => void) => {
          if (fault === "lose-reply") return void scheduler.after(200, from, () => reject(lost()));
          link.repliesMs = Math.max(link.repliesMs, scheduler.nowMs + this.#delayMs(undefined));
          scheduler.after(link.repliesMs - scheduler.nowMs, from, act);
        };
        const settle = async () => {
          try {
            const result = await serve();
            reply(() => resolve(result));
          } catch (error) {
            reply(() => reject(error));
          }
        };
        void settle();
      });
    });
  }

  #delayMs(fault: string | undefined): number {
    return fault === "delay" ? this.chance.between(20, 700) : this.chance.between(1, 4);
  }

  #link(name: string): Link {
    const known = this.#links.get(name) ?? { arrivesMs: 0, repliesMs: 0 };
    this.#links.set(name, known);
    return known;
  }
}
