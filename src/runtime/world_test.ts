import assert from "node:assert/strict";
import { onAbort } from "./world.ts";

Deno.test("onAbort: each call is made once when the signal aborts, unless it was cancelled", () => {
  const stopping = new AbortController();
  const calls: string[] = [];
  onAbort(stopping.signal, () => calls.push("first"));
  const cancel = onAbort(stopping.signal, () => calls.push("cancelled"));
  const last = onAbort(stopping.signal, () => calls.push("last"));
  cancel();
  cancel();
  stopping.abort();
  last();
  assert.deepEqual(calls, ["first", "last"]);
});
