/**
 * A client whose server follows a script.
 *
 * @module
 */
import { type Client, type ClientOptions, createClient } from "../../client/src/client.ts";
import { realSleep } from "../../client/src/defaults.ts";

/** The client's default for a try. */
export const timeoutMs = 5000;
/** The order of most tests. */
export const order = { sku: "S", userId: "u", orderId: "o", amount: 1 };
/** The server's answer to it. */
export const sold = { success: true, new_stock: 4, order_id: "o", sku: "S", amount: 1, seq: 2 };
/** The client's outcome of it. */
export const accepted = {
  kind: "accepted",
  orderId: "o",
  seq: 2,
  sku: "S",
  amount: 1,
  newStock: 4,
  replayed: false,
};

/** How the server answers a try. */
export type Step = (init: RequestInit) => Response | Promise<Response>;

/** A request of the client. */
export interface Sent {
  readonly url: string;
  readonly method: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
}

/** A client and what became of its tries. */
export interface Scripted {
  readonly client: Client;
  /** Its requests, in order. */
  readonly sent: Sent[];
  /** Its waits between tries. */
  readonly waitsMs: number[];
  /** Steps of the script that no try has used. */
  readonly stepsLeft: () => number;
}

/** A client whose server follows a script, one step a try, and whose waits are written down and skipped. */
export function scripted(steps: readonly Step[], options: Partial<ClientOptions> = {}): Scripted {
  const left = [...steps];
  const sent: Sent[] = [];
  const waitsMs: number[] = [];
  const client = createClient({
    baseUrl: "http://shop.test",
    random: () => 0.5,
    // A wait with a signal bounds a try: it lasts until the try is done, unless a test says otherwise.
    sleep: (ms, signal) => {
      if (signal) return realSleep(60_000, signal);
      waitsMs.push(ms);
      return Promise.resolve();
    },
    fetch: async (url, init) => {
      const { method, headers, body } = init;
      sent.push({ url, method, headers: headers as Record<string, string>, body });
      const step = left.shift();
      if (step === undefined) throw new Error("the script has no step for this try");
      return await step(init);
    },
    ...options,
  });
  return { client, sent, waitsMs, stepsLeft: () => left.length };
}

/** Answers with a JSON body. */
export const json = (status: number, body: unknown, headers: Record<string, string> = {}): Step => () =>
  new Response(JSON.stringify(body), { status, headers });
/** Answers with a refusal. */
export const refuse = (status: number, code: string, members = {}, headers = {}): Step =>
  json(status, { code, status, detail: `because ${code}`, ...members }, headers);
/** A deadline in the minute of the script. */
export const at = (second: number): string => `2026-11-22T12:00:0${second}.000Z`;
/** A refusal that is tried again. */
export const busy = (second = 0): Step => refuse(503, "overloaded", { order_id: "o", deadline: at(second) });
/** Why a try has no answer. */
export const connectionReset = new TypeError("connection reset");
/** No answer. */
export const lost: Step = (): Promise<Response> => Promise.reject(connectionReset);
/** The cause that the client names after such an answer. */
export const answered = (status: number, code: string): Record<string, unknown> => ({
  kind: "answer",
  status,
  code,
  detail: `because ${code}`,
});
/** Sells. */
export const ok = json(200, sold);
