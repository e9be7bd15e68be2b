import { deepEqual, equal } from "node:assert/strict";
import { ManualWorld } from "../../../tests/manual_world.ts";
import { Bodies, type Body, boundOf } from "./bodies.ts";

/** A request whose body arrives when the test says so. */
function slow(): { request: Request; arrive: (text: string) => void; break: () => void } {
  let controller!: ReadableStreamDefaultController<Uint8Array>;
  const body = new ReadableStream<Uint8Array>({ start: (made) => void (controller = made) });
  const init = { method: "POST", body, duplex: "half", headers: { "content-length": "9" } };
  return {
    request: new Request("http://shop/", init),
    arrive(text) {
      controller.enqueue(new TextEncoder().encode(text));
      controller.close();
    },
    break: () => controller.error(new Error("connection reset")),
  };
}

function setup() {
  const world = new ManualWorld();
  const bodies = new Bodies(world, 5000);
  const seen: Record<string, Body> = {};
  const read = (name: string, request: Request) =>
    bodies.read(request, 100, (body) => void (seen[name] = body));
  return { world, bodies, seen, read };
}

Deno.test("bodies: whichever ends, the others still end in time", async () => {
  const { world, bodies, seen, read } = setup();
  const requests = Array.from({ length: 4 }, slow);
  const reading = requests.map(({ request }, i) => read(`b${i}`, request));
  bodies.sweep();
  requests[0]?.arrive('{"a":1}');
  await reading[0];
  requests[3]?.break();
  await reading[3];
  deepEqual(seen, { b0: { kind: "json", value: { a: 1 } }, b3: { kind: "cut" } });
  await world.advance(4999);
  bodies.sweep();
  equal(Object.keys(seen).length, 2);
  await world.advance(1);
  bodies.sweep();
  await Promise.all(reading);
  deepEqual([seen.b1, seen.b2], [{ kind: "late" }, { kind: "late" }]);
  // What arrives after the end of its time changes nothing.
  requests[1]?.arrive("{}");
  requests[2]?.break();
  for (let turn = 0; turn < 10; turn++) await null;
  deepEqual(seen.b1, { kind: "late" });
});

Deno.test("bodies: the time of a body counts from the first sweep that sees it", async () => {
  const { world, bodies, seen, read } = setup();
  await world.advance(60_000);
  const one = slow();
  const reading = read("one", one.request);
  bodies.sweep();
  equal(seen.one, undefined);
  one.arrive("[]");
  await reading;
  deepEqual(seen.one, { kind: "json", value: [] });
});

Deno.test("bodies: a stop ends all that are incomplete", async () => {
  const { bodies, seen, read } = setup();
  const requests = Array.from({ length: 3 }, slow);
  const reading = requests.map(({ request }, i) => read(`b${i}`, request));
  bodies.stop();
  await Promise.all(reading);
  deepEqual(Object.values(seen), Array(3).fill({ kind: "stopping" }));
});

Deno.test("bodies: a length is the bound only when it is one number and nothing else can win", () => {
  const cases: readonly [headers: Record<string, string>, refusesBoth: boolean, bound: number | null][] = [
    [{ "content-length": "150" }, true, 150],
    [{ "content-length": "150" }, false, 150],
    [{}, true, null],
    [{ "content-length": "5, 5" }, true, null],
    [{ "content-length": "5 0" }, true, null],
    [{ "content-length": "9".repeat(10) }, true, null],
    [{ "content-length": "10", "transfer-encoding": "chunked" }, false, null],
  ];
  for (const [headers, refusesBoth, bound] of cases) {
    equal(boundOf(new Headers(headers), refusesBoth), bound, JSON.stringify(headers));
  }
});
