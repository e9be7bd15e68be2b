import { deepEqual, equal } from "node:assert/strict";
import { realWorld as world } from "../runtime/world.ts";
import { waitFor } from "../../tools/servers/wait.ts";
import { Listener } from "./listener.ts";

/** Runs `use` with a listener whose requests wait for `release`, and with what it said of replacements. */
async function listening(
  connectionsMax: number,
  use: (url: string, release: () => void, replacements: readonly string[]) => Promise<void>,
): Promise<void> {
  const replacements: string[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const listener = new Listener({
    hostname: "127.0.0.1",
    port: 0,
    guard: () => null,
    fetch: async () => {
      await promise;
      return new Response("answered");
    },
    requestsMax: 2,
    connectionsMax,
    world,
    onCheck() {},
    onReplaced: (why) => replacements.push(why),
    onFailed() {},
  });
  const { port } = listener.addr as Deno.NetAddr;
  try {
    await use(`http://127.0.0.1:${port}`, resolve, replacements);
  } finally {
    await listener.shutdown(2000);
  }
}

Deno.test("QUEUE_MAX bounds requests under way on every route, whatever they ask", async () => {
  await listening(100, async (url, release) => {
    const first = [fetch(`${url}/ops/stream`), fetch(`${url}/api/v1/orders/o`)];
    const others = ["/api/v1/inventory/deduct/batch", "/readyz", "/api/v1/inventory/S/adjustments", "/docs"];
    for (const path of others) {
      let status = 0;
      // The first two may still be on their way to the server: until then this request is one of two itself.
      while (status !== 503) {
        const response = await fetch(url + path, { method: "POST", signal: AbortSignal.timeout(1000) })
          .catch(() => null);
        status = response?.status ?? 0;
        const problem = await response?.json();
        if (status === 503) equal(problem.code, "overloaded", path);
      }
    }
    release();
    const answers = await Promise.all(first);
    deepEqual(await Promise.all(answers.map((answer) => answer.text())), ["answered", "answered"]);
  });
});

Deno.test("descriptors of the process itself that come later are no connections: the listener is replaced once", async () => {
  await listening(16, async (url, release, replacements) => {
    release();
    using files = new DisposableStack();
    for (let i = 0; i < 50; i++) files.use(Deno.openSync(new URL(import.meta.url)));
    const isReplaced = () => Promise.resolve(replacements.length > 0);
    await waitFor(isReplaced, { deadlineMs: 10_000, what: "a replacement" });
    const response = await fetch(url);
    equal(await response.text(), "answered");
    const checks = Date.now() + 1500;
    await waitFor(() => Promise.resolve(Date.now() > checks), {
      deadlineMs: 10_000,
      what: "four more checks",
    });
    deepEqual(replacements, ["CONNECTIONS_MAX=16 reached: all connections were closed"]);
  });
});
