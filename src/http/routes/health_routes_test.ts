import { deepEqual, equal } from "node:assert/strict";
import { routesUnderTest } from "../../../tests/http/scripted_inventory.ts";

Deno.test("/livez answers without asking the inventory, and is not cached", async () => {
  const { send, inventory } = routesUnderTest();
  inventory.readiness = () => Promise.reject(new Error("must not be called"));
  const response = await send("/livez");
  equal(response.status, 200);
  equal(response.headers.get("cache-control"), "no-store");
  deepEqual(await response.json(), { live: true });
});

Deno.test("/readyz is 200 when ready and still names the promises that are off", async () => {
  const { send, inventory } = routesUnderTest();
  inventory.state = {
    ready: true,
    missing: [],
    guaranteesOff: ["power cut: fsync is off"],
    checkedAtMs: 0,
  };
  const response = await send("/readyz");
  equal(response.status, 200);
  equal(response.headers.get("cache-control"), "no-store");
  deepEqual(await response.json(), {
    ready: true,
    missing: [],
    promises_off: ["power cut: fsync is off"],
    checked_at: "1970-01-01T00:00:00.000Z",
  });
});

Deno.test("/readyz is 503 when not ready and names what is missing", async () => {
  const { send, inventory } = routesUnderTest();
  inventory.state = { ready: false, missing: ["shard 0: unarmed"], guaranteesOff: [], checkedAtMs: 0 };
  const response = await send("/readyz");
  equal(response.status, 503);
  deepEqual(await response.json(), {
    ready: false,
    missing: ["shard 0: unarmed"],
    promises_off: [],
    checked_at: "1970-01-01T00:00:00.000Z",
  });
});

Deno.test("HEAD is answered like GET, without a body", async () => {
  const { send } = routesUnderTest();
  const response = await send("/livez", { method: "HEAD" });
  deepEqual([response.status, await response.text()], [200, ""]);
});
