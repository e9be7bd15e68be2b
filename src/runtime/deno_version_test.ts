import { deepEqual } from "node:assert/strict";
import { isAtLeast } from "./deno_version.ts";

Deno.test("versions of Deno are compared as numbers", () => {
  const versions = ["1.46.3", "2.4.9", "2.5.0", "2.10.1", "3.0.0-rc.1"];
  deepEqual(versions.map((version) => isAtLeast(version, [2, 5])), [false, false, true, true, true]);
});
