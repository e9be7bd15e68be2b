/**
 * Reads the deployment of an API process's ledger, and then monitors whether the ledger responds. A process that
 * starts while the ledger is down does not know which deployment its Redis must belong to.
 *
 * @module
 */
import { sleep, type World } from "../../runtime/world.ts";
import type { Deployment, Ledger } from "../ledger.ts";

/** Dependencies of the monitor. */
export interface DeploymentMonitorParts {
  readonly ledger: Pick<Ledger, "deployment">;
  readonly world: World;
  /** Called once, when the deployment is known. */
  readonly onKnown: (deployment: Deployment) => void;
  /** Called when the problem changes; null = the ledger responds again. */
  readonly onProblem: (problem: string | null) => void;
  /** Formats an error. */
  readonly describe: (error: unknown) => string;
}

/** The problem of a database in which no worker has prepared the ledger. */
export const ledgerNotMade: string = "no worker has made its ledger yet";

/** A ledger that another process creates is ready within tens of milliseconds. */
const firstAgainMs = 100;
/** One query per interval, whether the ledger responds or not: `promises_off` is at most this old. */
const againMaxMs = 5000;

/** A distant ledger responds within half a second; an API must listen within a few seconds. */
const answerWithinMs = 2000;

/** Monitors one ledger until it is stopped. */
export class DeploymentMonitor {
  readonly #parts: DeploymentMonitorParts;
  #deploymentId: string | undefined;
  #problem: string | null = null;
  #error: unknown;
  #asking: Promise<void> | undefined;

  constructor(parts: DeploymentMonitorParts) {
    this.#parts = parts;
  }

  /** Why the ledger cannot be used, as the end of a sentence; null when it responds. */
  get problem(): string | null {
    return this.#problem;
  }

  /** Whether the deployment is known. */
  get isKnown(): boolean {
    return this.#deploymentId !== undefined;
  }

  /** The deployment id; undefined until it is known. */
  get deploymentId(): string | undefined {
    return this.#deploymentId;
  }

  /** The error of the last check; undefined after a success. A RangeError means that the settings do not fit. */
  get error(): unknown {
    return this.#error;
  }

  /** Checks once. It waits at most 2 s for the response; a later response still counts. */
  async check(): Promise<void> {
    this.#asking ??= this.#ask().finally(() => this.#asking = undefined);
    const { promise, resolve } = Promise.withResolvers<"late">();
    const cancel = this.#parts.world.after(answerWithinMs, () => resolve("late"));
    const answer = await Promise.race([this.#asking, promise]).finally(cancel);
    if (answer === "late") this.#report(`no response within ${answerWithinMs} ms`);
  }

  async #ask(): Promise<void> {
    const { ledger, onKnown, describe } = this.#parts;
    try {
      const deployment = await ledger.deployment();
      if (deployment && !this.isKnown) {
        onKnown(deployment);
        this.#deploymentId = deployment.id;
      }
      this.#error = undefined;
      this.#report(deployment ? null : ledgerNotMade);
    } catch (error) {
      this.#error = error;
      this.#report(describe(error));
    }
  }

  /** Checks until `signal` aborts, at first ten times a second, then less often. */
  async run(signal: AbortSignal): Promise<void> {
    for (let waitMs = firstAgainMs; !signal.aborted;) {
      await sleep(this.#parts.world, waitMs, signal);
      if (signal.aborted) return;
      await this.check();
      waitMs = Math.min(2 * waitMs, againMaxMs);
    }
  }

  #report(problem: string | null): void {
    if (problem === this.#problem) return;
    this.#problem = problem;
    this.#parts.onProblem(problem);
  }
}
