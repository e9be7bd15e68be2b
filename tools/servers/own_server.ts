/**
 * What the test servers share: one process on a port and in a folder of its own, which a test may kill, freeze and start
 * again.
 *
 * @module
 */
import { freePort } from "./port.ts";
import type { RunningProcess } from "./process.ts";

/** A server whose port and folder stay the same over {@link OwnServer.kill} and a new start. */
export abstract class OwnServer implements AsyncDisposable {
  /** Where its data lies. */
  readonly dir: string;
  /** Without a password, unless the server says otherwise. */
  readonly port: number = freePort();
  readonly #title: string;
  #process: RunningProcess | undefined;

  /** @param name of the program, for errors */
  constructor(dir: string, name: string) {
    this.dir = dir;
    this.#title = `${name} on port ${this.port}`;
  }

  /** The id of its process. */
  get pid(): number {
    return this.process.pid;
  }

  /** Starts it, the first time or again. */
  abstract start(): Promise<void>;

  /** The process. @throws when it does not run */
  protected get process(): RunningProcess {
    if (!this.#process) throw new Error(`Cannot reach the ${this.#title} as it is not running`);
    return this.#process;
  }

  /** Starts the process. @throws when it runs already */
  protected async startOnce(start: () => Promise<RunningProcess>): Promise<void> {
    if (this.#process) throw new Error(`Cannot start the ${this.#title} as it is running`);
    this.#process = await start();
  }

  /** The process has ended. */
  protected ended(): void {
    this.#process = undefined;
  }

  /** kill -9, and waits until it is gone. The folder stays for the next start. */
  async kill(): Promise<void> {
    await this.process.kill();
    this.ended();
  }

  /** How a running server ends when the test is over. */
  protected end(): Promise<void> {
    return this.kill();
  }

  /** Stops its process where it is; connections stay open and nothing answers. */
  freeze(): Promise<void> | void {
    this.process.freeze();
  }

  /** Lets it go on. */
  thaw(): Promise<void> | void {
    this.process.thaw();
  }

  /** What the server has printed since its last start. */
  output(): string {
    return this.process.output();
  }

  /** Ends it and removes its folder. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process) await this.end();
    await Deno.remove(this.dir, { recursive: true });
  }
}
