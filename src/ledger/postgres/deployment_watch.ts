/**
 * Learns whose ledger an API process has, and goes on looking whether the ledger answers. A process that starts while
 * the ledger is away does not know whose stock its Redis must hold.
 *
 * @module
 */
import { sleep, type World } from "../../runtime/world.ts";
import type { Deployment, Ledger } from "../ledger.ts";

/** What watching needs. */
export interface DeploymentWatchParts {
  /** Asked for its deployment. */
  readonly ledger: Pick<Ledger, "deployment">;
  /** Its timers. */
  readonly world: World;
  /** Called once: from then on the deployment is known. */
  readonly onKnown: (deployment: Deployment) => void;
  /** Called when something else than before is wrong; null = the ledger answers again. */
  readonly onProblem: (problem: string | null) => void;
  /** An error as text. */
  readonly describe: (error: unknown) => string;
}

/** The problem of a database in which no worker has prepared the ledger. */
export const ledgerNotMade: string = "no worker has made its ledger yet";

/** A ledger that another process is about to make is there within tens of milliseconds. */
const firstAgainMs = 100;
/** One query in this time once it answers, and while it does not: `promises_off` is as old. */
const againMaxMs = 5000;

/** A ledger on the other side of the world answers in half a second; an API must listen within a few. */
const answerWithinMs = 2000;

/** Looks at one ledger until it is stopped. */
export class DeploymentMonitor {
  readonly #parts: DeploymentWatchParts;
  #deploymentId: string | undefined;
  #problem: string | null = null;
  #error: unknown;
  #asking: Promise<void> | undefined;

  /** Asks nothing yet. */
  constructor(parts: DeploymentWatchParts) {
    this.#parts = parts;
  }

  /** Why the ledger cannot be used, as the end of a sentence; null when it answers. */
  get problem(): string | null {
    return this.#problem;
  }

  /** Whether the ledger has said whose it is. */
  get isKnown(): boolean {
    return this.#deploymentId !== undefined;
  }

  /** Whose ledger it is; undefined until the ledger has said so. */
  get deploymentId(): string | undefined {
    return this.#deploymentId;
  }

  /** What the last look rejected with; undefined when it did not. A RangeError says that the settings do not fit. */
  get error(): unknown {
    return this.#error;
  }

  /** Asks once. An answer that takes longer than 2 s is not waited for, and counts when it comes. */
  async check(): Promise<void> {
    this.#asking ??= this.#ask().finally(() => this.#asking = undefined);
    const { promise, resolve } = Promise.withResolvers<"late">();
    const cancel = this.#parts.world.after(answerWithinMs, () => resolve("late"));
    const answer = await Promise.race([this.#asking, promise]).finally(cancel);
    if (answer === "late") this.#note(`it gave no answer within ${answerWithinMs} ms`);
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
      this.#note(deployment ? null : ledgerNotMade);
    } catch (error) {
      this.#error = error;
      this.#note(describe(error));
    }
  }

  /** Asks again until `signal` aborts: at first ten times a second, then ever more rarely. */
  async run(signal: AbortSignal): Promise<void> {
    for (let waitMs = firstAgainMs; !signal.aborted;) {
      await sleep(this.#parts.world, waitMs, signal);
      if (signal.aborted) return;
      await this.check();
      waitMs = Math.min(2 * waitMs, againMaxMs);
    }
  }

  #note(problem: string | null): void {
    if (problem === this.#problem) return;
    this.#problem = problem;
    this.#parts.onProblem(problem);
  }
}
