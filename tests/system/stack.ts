/**
 * The system as it is run: API and worker as processes of their own, started as the tasks start them.
 *
 * @module
 */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { settings } from "../../src/runtime/settings/config.ts";
import type { Host } from "../../tools/servers/network.ts";
import { freePort } from "../../tools/servers/port.ts";
import { type RunningProcess, startProcess } from "../../tools/servers/process.ts";
import { waitFor } from "../../tools/servers/wait.ts";
import type { ApiRequest } from "./operations.ts";
import { RecordedDeployment } from "./recorded.ts";
import type { HistoryRecorder } from "./recorder.ts";

/** Settings of a process under test, by the names of its variables. */
export type Env = Readonly<Record<string, string>>;

/** The two programs; `deploy` is the API as Deno Deploy runs it, and may do no more than it needs there. */
export type Program = "api" | "worker" | "deploy";

const REPOSITORY = fileURLToPath(new URL("../..", import.meta.url));
// The tests that measure a start have bounds of their own.
const READY_DEADLINE_MS = 60_000;
// DRAIN_TIMEOUT_MS is 4000 by default, and the watchdog ends the process then.
const EXIT_DEADLINE_MS = 60_000;

// As the task `serve` has it.
const API_ARGS = ["run", "-P=api", "--v8-flags=--min-semi-space-size=64,--max-semi-space-size=64", "main.ts"];

const PROGRAMS = {
  api: { args: API_ARGS, readyLine: /Holdfast listens on (http:\S+) \(pid (\d+)/ },
  worker: { args: ["run", "-P=worker", "worker.ts"], readyLine: /Holdfast worker runs \(pid (\d+)/ },
  deploy: {
    args: ["run", "--allow-all", "--deny-run", "--deny-write", "--deny-ffi", "main.ts"],
    readyLine: /Holdfast listens on/,
  },
} as const satisfies Record<Program, { args: readonly string[]; readyLine: RegExp }>;

const READY_POLL_MS = 50;
/** No setting of the environment of the tests reaches a process under test; empty counts as unset. */
const UNSET: Env = {
  // Deno reads DENO_SERVE_ADDRESS itself, and complains about an empty one.
  ...Object.fromEntries(
    Object.values(settings).filter(({ name }) => name !== "DENO_SERVE_ADDRESS").map(({ name }) => [name, ""]),
  ),
  OTEL_DENO: "false", // Deno reads it too, and warns about an empty one
};

/** What an API answers to a command. */
export interface Answer {
  readonly status: number;
  /** It carried `Idempotency-Replayed: true`. */
  readonly replayed: boolean;
  /** Seconds to wait, as the server asks; empty without the header. */
  readonly retryAfter: string;
  readonly body: Record<string, unknown>;
}

/** How a process ended by itself. */
export interface Ended {
  readonly code: number;
  /** What the program printed on both streams, without Deno's own warnings. */
  readonly output: string;
  /** What of it was meant for the person who started it: all but the lines of the log. */
  readonly said: string;
}

/** How a process is started, other than as the tasks do. */
export interface StartOptions {
  /** Deno's program. */
  readonly deno?: string;
  readonly host?: Host;
  /** Of the program. */
  readonly folder?: string | undefined;
  readonly readyLine?: RegExp;
  /** The ledger that its orders are checked with; DATABASE_URL of a process of its deployment when left out. */
  readonly databaseUrl?: string;
}

/** One API or worker process that can be killed, frozen and started again with the same settings. */
export class Service implements AsyncDisposable {
  readonly program: Program;
  readonly env: Env;
  /** Where an API listens, over all its starts. */
  readonly url: string;
  /** How long its last start took, until it said that it runs. */
  startMs = 0;
  readonly #options: StartOptions;
  readonly #deployment: RecordedDeployment;
  #process: RunningProcess | undefined;

  private constructor(program: Program, env: Env, port: number, options: StartOptions) {
    const { host, databaseUrl } = options;
    this.program = program;
    this.#options = options;
    const address = host?.address ?? "127.0.0.1";
    // Deploy chooses the address; here it must stay on loopback.
    const chosen = program === "deploy" ? { DENO_SERVE_ADDRESS: `tcp:127.0.0.1:${port}` } : {};
    const hosted = host && program === "api" ? { HOST: address } : {};
    this.env = { ...UNSET, PORT: String(port), ...chosen, ...hosted, ...env };
    this.url = `http://${address}:${port}`;
    const ledger = databaseUrl === undefined ? {} : { DATABASE_URL: databaseUrl };
    this.#deployment = RecordedDeployment.join({ ...this.env, ...ledger }, this.url);
  }

  /** Starts a process; returns when it printed that it runs, which is not yet that it is ready to sell. */
  static async start(program: Program, env: Env, options: StartOptions = {}): Promise<Service> {
    const service = new Service(program, env, freePort(), options);
    try {
      await service.restart();
    } catch (error) {
      await service[Symbol.asyncDispose]();
      throw error;
    }
    return service;
  }

  /** What clients of its deployment called and heard. */
  get history(): HistoryRecorder {
    return this.#deployment.history;
  }

  /** Its id, which is that of the program itself: no wrapper is between. */
  get pid(): number {
    return this.#running().pid;
  }

  /** Starts it again after its end. */
  async restart(): Promise<void> {
    assert.equal(this.#process, undefined, `the ${this.program} still runs`);
    const startedMs = performance.now();
    const { args } = PROGRAMS[this.program];
    const {
      deno = Deno.execPath(),
      host,
      folder = REPOSITORY,
      readyLine = PROGRAMS[this.program].readyLine,
    } = this.#options;
    this.#process = await startProcess({
      ...host?.command(deno, args) ?? { command: deno, args },
      env: this.env,
      cwd: folder,
      readyLine,
      readyDeadlineMs: READY_DEADLINE_MS,
    });
    this.startMs = Math.round(performance.now() - startedMs);
  }

  /** kill -9, and waits until it is gone. */
  async kill(): Promise<void> {
    await this.#running().kill();
    this.#process = undefined;
  }

  /** Stops it where it is; its connections stay open and nothing answers. */
  freeze(): void {
    this.#running().freeze();
  }

  /** Lets it go on. */
  thaw(): void {
    this.#running().thaw();
  }

  /** Sends a signal and does not wait. */
  signal(signal: Deno.Signal): void {
    this.#running().signal(signal);
  }

  /** Waits for its end, which another process has caused. */
  async ended(): Promise<Ended> {
    const process = this.#running();
    const ended = await endOf(process);
    this.#process = undefined;
    return ended;
  }

  /** SIGTERM, or another signal, and the way it ended. */
  stop(signal: Deno.Signal = "SIGTERM"): Promise<Ended> {
    this.signal(signal);
    return this.ended();
  }

  /** What it has printed since its last start. */
  output(): string {
    return this.#running().output();
  }

  /** Its log lines with this message, parsed. */
  logged(message: string): Record<string, unknown>[] {
    return this.output().split("\n").filter((line) => line.startsWith("{"))
      .map((line) => JSON.parse(line)).filter((entry) => entry.message === message);
  }

  /** `GET`, whatever the status. `/readyz` gives an answer again for a second: one from before this call is not taken. */
  async get(path: string): Promise<{ status: number; body: Record<string, unknown> }> {
    const askedMs = Date.now();
    for (;;) {
      const { status, body } = await this.#send({ method: "GET", path });
      const isStale = path === "/readyz" && Date.parse(String(body.checked_at)) < askedMs;
      if (!isStale) return { status, body };
      await new Promise((resolve) => setTimeout(resolve, READY_POLL_MS));
    }
  }

  /** `POST` of JSON, whatever the status. */
  post(path: string, body: unknown, headers: Env = {}): Promise<Answer> {
    return this.#send({ method: "POST", path, body, headers });
  }

  /** `PUT` of JSON, whatever the status. */
  put(path: string, body: unknown): Promise<Answer> {
    return this.#send({ method: "PUT", path, body });
  }

  #send(request: ApiRequest): Promise<Answer> {
    return this.history.send(request, async () => {
      const { method, path, body, headers } = request;
      const json = body === undefined ? {} : { "content-type": "application/json" };
      const response = await fetch(this.url + path, {
        method,
        headers: { ...json, ...this.#access(), ...headers },
        ...body === undefined ? {} : { body: JSON.stringify(body) },
      });
      const replayed = response.headers.get("idempotency-replayed") === "true";
      const retryAfter = response.headers.get("retry-after") ?? "";
      return { status: response.status, replayed, retryAfter, body: await response.json() };
    });
  }

  /** Waits until the API can decide orders. */
  async ready(deadlineMs: number = 60_000): Promise<void> {
    let last: unknown;
    await waitFor(async () => {
      const { status, body } = await this.get("/readyz");
      last = body;
      return status === 200;
    }, { deadlineMs, what: `${this.url}/readyz` }).catch((error) => {
      throw new Error(`${error.message}: ${JSON.stringify(last)}`, { cause: error });
    });
  }

  /** kill -9, whatever its state. The history of its deployment is checked before. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#deployment.leave();
    await this.#process?.kill();
    this.#process = undefined;
  }

  /** The first of its tokens. */
  #access(): Record<string, string> {
    const [token] = Object.keys(JSON.parse(this.env.API_TOKENS || "{}"));
    return token === undefined ? {} : { authorization: `Bearer ${token}` };
  }

  #running(): RunningProcess {
    if (this.#process) return this.#process;
    throw new Error(`Cannot use the ${this.program} of ${this.url} as it has ended`);
  }
}

/** Which servers, how many processes, and their settings. */
export interface StackOptions {
  readonly redisUrl: string;
  /** Used by the workers; an API needs none. */
  readonly databaseUrl: string;
  /** 1 when left out. */
  readonly apis?: number;
  /** 1 when left out. */
  readonly workers?: number;
  /** For all of the processes. */
  readonly env?: Env;
}

/** APIs and workers of one deployment. */
export interface Stack extends AsyncDisposable {
  readonly apis: readonly Service[];
  readonly workers: readonly Service[];
  /** The first API. */
  readonly api: Service;
  /** The first worker. */
  readonly worker: Service;
}

/** Starts a deployment; returns when every API can decide orders. */
export async function startStack(options: StackOptions): Promise<Stack> {
  const { redisUrl, databaseUrl, apis = 1, workers = 1, env = {} } = options;
  await using started = new AsyncDisposableStack();
  const start = async (program: Program, own: Env) =>
    started.use(await Service.start(program, { REDIS_URL: redisUrl, ...own, ...env }, { databaseUrl }));
  const starting = [
    ...Array.from({ length: apis }, () => start("api", {})),
    ...Array.from({ length: workers }, () => start("worker", { DATABASE_URL: databaseUrl })),
  ];
  const services = await allSettledOrThrow(starting);
  const [api, worker] = [services[0], services[apis]];
  assert.ok(api?.program === "api" && worker?.program === "worker");
  await Promise.all(services.slice(0, apis).map((service) => service.ready()));
  const owned = started.move();
  return {
    apis: services.slice(0, apis),
    workers: services.slice(apis),
    api,
    worker,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Starts the embedded default on a folder; returns when it can decide orders. */
export async function startEmbedded(dataDir: string, env: Env = {}): Promise<Service> {
  const service = await Service.start("api", { DATA_DIR: dataDir, DEMO_STOCK: "0", ...env });
  await service.ready();
  return service;
}

/** Starts a process that is expected to end by itself, and returns how it did. */
export async function runToEnd(program: Program, env: Env): Promise<Ended> {
  await using process = await startProcess({
    args: PROGRAMS[program].args,
    env: { ...UNSET, PORT: "0", ...env },
    cwd: REPOSITORY,
    readyLine: /./, // it has something to say before it ends
  });
  return await endOf(process);
}

async function endOf(process: RunningProcess): Promise<Ended> {
  let ended = false;
  process.exited.then(() => ended = true);
  await waitFor(() => ended, { deadlineMs: EXIT_DEADLINE_MS, what: `the end of process ${process.pid}` })
    .catch((error) => {
      throw new Error(`${error.message}:\n${process.output()}`, { cause: error });
    });
  const { code } = await process.exited;
  const output = process.output().split("\n").filter((line) => !line.includes("experimental feature"));
  const said = output.filter((line) => !line.startsWith("{"));
  return { code, output: output.join("\n").trim(), said: said.join("\n").trim() };
}

/** Nothing goes on in the background when this throws. */
async function allSettledOrThrow<T>(promises: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(promises);
  return await Promise.all(promises);
}
