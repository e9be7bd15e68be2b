/**
 * An engine (`engine.ts`) on its own thread. Calls run in order; simultaneous calls are sent as one message.
 *
 * @module
 */
import { type Param, SqlError } from "../database.ts";
import type { Answer, Call } from "./thread.ts";

interface Waiting {
  resolve(rows: object[]): void;
  reject(error: Error): void;
}

/** It has the methods of `Engine`. */
export class RemoteEngine {
  readonly #worker: Worker;
  /** Calls without a response, in order. */
  readonly #waiting: Waiting[] = [];
  #outgoing: Call[] = [];
  #ended: Error | undefined;

  private constructor(worker: Worker) {
    this.#worker = worker;
    worker.onmessage = ({ data }: MessageEvent<readonly Answer[]>) =>
      data.forEach((one) => this.#settle(one));
    worker.onerror = (event) => {
      event.preventDefault();
      this.#ended = new Error(`the ledger's thread ended: ${event.message}`);
      for (const { reject } of this.#waiting.splice(0)) reject(this.#ended);
    };
  }

  /**
   * Starts the thread, which opens the file.
   *
   * @param options `settings` are statements to run first
   * @throws {SqlError}
   */
  static async open(
    path: string,
    options: { readonly readOnly: boolean; readonly settings: string },
  ): Promise<RemoteEngine> {
    const engine = new RemoteEngine(new Worker(new URL("./thread.ts", import.meta.url), { type: "module" }));
    try {
      await engine.#call({ kind: "open", path, ...options });
      return engine;
    } catch (error) {
      engine.#worker.terminate();
      throw error;
    }
  }

  /** As `Engine.query`. */
  async query<Row extends object>(text: string, params: readonly Param[] = []): Promise<Row[]> {
    return await this.#call({ kind: "query", text, params }) as Row[];
  }

  /** As `Engine.script`. */
  async script(text: string): Promise<void> {
    await this.#call({ kind: "script", text });
  }

  /** As `Engine.rollback`. */
  async rollback(): Promise<void> {
    await this.#call({ kind: "rollback" });
  }

  /** Closes the file and ends the thread. */
  async close(): Promise<void> {
    await this.#call({ kind: "close" });
    this.#worker.terminate();
  }

  #call(call: Call): Promise<object[]> {
    if (this.#ended) return Promise.reject(this.#ended);
    if (this.#outgoing.length === 0) queueMicrotask(() => this.#send());
    this.#outgoing.push(call);
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  #send(): void {
    this.#worker.postMessage(this.#outgoing);
    this.#outgoing = [];
  }

  #settle(answer: Answer): void {
    const waiting = this.#waiting.shift();
    if (answer.kind === "rows") waiting?.resolve(answer.rows);
    else if (answer.kind === "refused") waiting?.reject(new SqlError(answer.sqlstate, answer.message));
    else waiting?.reject(new Error(answer.message));
  }
}
