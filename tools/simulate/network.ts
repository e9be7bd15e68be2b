/**
 * Calls between processes and servers. Calls of one connection arrive in their order; calls of different ones do not.
 *
 * @module
 */
import type { Chance, Process, Scheduler } from "./scheduler.ts";

/** One connection of a process to a server. */
interface Link {
  arrivesMs: number;
  repliesMs: number;
  /** Packets are dropped until then, and sent again afterwards: messages wait, in their order. */
  requestsHeldMs: number;
  repliesHeldMs: number;
}

/** A call of a process. */
export interface Call<T> {
  /** The server and the connection, for example `store-0 log`. */
  readonly to: string;
  /** For the trace. */
  readonly name: string;
  /** Runs at the server. */
  readonly serve: () => T | Promise<T>;
  /** What the caller gets when the connection is lost. */
  readonly lost: () => Error;
  /** A connection that is silent for this long is given up, ms. */
  readonly silentMs: number;
}

/** A fault that one call meets. */
export type CallFault = "lose-request" | "lose-reply" | "delay";

/** A lost connection is noticed after this. */
const lostAfterMs = 200;
/** A packet is sent again within this, once packets pass again. */
const sentAgainMs = 250;

/** Delivers calls and replies. */
export class Network {
  readonly #links = new Map<string, Link>();
  #heldUntilMs = 0;
  /** The next calls to a store, a ledger or a topic meet these faults, one each. */
  readonly pending: CallFault[] = [];

  constructor(readonly scheduler: Scheduler, readonly chance: Chance) {}

  /** Runs a call at its server, and brings the result back. */
  call<T>(from: Process, { to, name, serve, lost, silentMs }: Call<T>): Promise<T> {
    const { scheduler } = this;
    scheduler.point(from, name);
    if (!from.isAlive) return new Promise(() => {});
    const link = this.#link(`${from.name} ${to}`);
    const fault = this.pending.shift();
    if (fault) scheduler.note(`${fault} ${from.name} ${to} ${name}`);
    return new Promise((resolve, reject) => {
      const giveUp = (afterMs: number) => scheduler.after(afterMs, from, () => reject(lost()));
      if (fault === "lose-request") return void giveUp(lostAfterMs);
      const frozenMs = Math.max(0, from.frozenUntilMs - scheduler.nowMs);
      const sentMs = scheduler.nowMs;
      const arrivesMs = this.#time(link.requestsHeldMs, frozenMs + this.#delayMs(fault));
      link.arrivesMs = Math.max(link.arrivesMs, arrivesMs);
      if (link.arrivesMs - sentMs > frozenMs + silentMs) giveUp(frozenMs + silentMs);
      scheduler.after(link.arrivesMs - sentMs, undefined, () => {
        scheduler.note(`${to} serves ${name} of ${from.name}`);
        const reply = (act: () => void) => {
          if (fault === "lose-reply") return void giveUp(lostAfterMs);
          link.repliesMs = Math.max(link.repliesMs, this.#time(link.repliesHeldMs, this.#delayMs(undefined)));
          const silentUntilMs = sentMs + silentMs;
          if (link.repliesMs > silentUntilMs) giveUp(Math.max(1, silentUntilMs - scheduler.nowMs));
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

  /** Drops the packets of one direction of a connection that was used before. */
  hold(dice: number, untilMs: number): void {
    const links = [...this.#links];
    const found = links[Math.floor(dice * 977) % Math.max(1, links.length)];
    if (!found) return;
    const [name, link] = found;
    const direction = Math.floor(dice * 9973) % 2 === 0 ? "requestsHeldMs" : "repliesHeldMs";
    this.scheduler.note(`${direction} of ${name} until ${untilMs}`);
    link[direction] = Math.max(link[direction], untilMs);
    this.#heldUntilMs = Math.max(this.#heldUntilMs, untilMs);
  }

  /** Whether packets of a connection are dropped now. */
  get isHeld(): boolean {
    return this.#heldUntilMs > this.scheduler.nowMs;
  }

  #time(heldUntilMs: number, delayMs: number): number {
    const { nowMs } = this.scheduler;
    if (heldUntilMs <= nowMs) return nowMs + delayMs;
    return Math.max(nowMs + delayMs, heldUntilMs + this.chance.between(0, sentAgainMs));
  }

  #delayMs(fault: CallFault | undefined): number {
    return fault === "delay" ? this.chance.between(20, 700) : this.chance.between(1, 4);
  }

  #link(name: string): Link {
    let link = this.#links.get(name);
    if (!link) {
      link = { arrivesMs: 0, repliesMs: 0, requestsHeldMs: 0, repliesHeldMs: 0 };
      this.#links.set(name, link);
    }
    return link;
  }
}
