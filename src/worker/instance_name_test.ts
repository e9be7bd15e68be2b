import assert from "node:assert/strict";
import { instanceName } from "./instance_name.ts";

Deno.test("instance name: two containers with the same process id have different names of at most 63 bytes", () => {
  assert.equal(instanceName("inventory-worker", 7, "3f2a"), "inventory-worker:7@3f2a");
  assert.equal(instanceName("inventory-worker", 7, "db-1.example.internal"), "inventory-worker:7@db-1");
  const program = "a-namespace-of-32-characters-xxx-worker";
  const names = [0, 1].map((i) => instanceName(program, 1234567, `${"statefulset-".repeat(5)}${i}`));
  assert.notEqual(names[0], names[1]);
  for (const name of names) assert.equal(name.length, 63);
});
