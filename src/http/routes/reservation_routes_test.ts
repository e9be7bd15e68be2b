import { deepEqual, equal } from "node:assert/strict";
import type { Outcome } from "../../domain/outcome.ts";
import {
  acceptedOutcome,
  jsonPost,
  routesUnderTest,
  testNowMs,
} from "../../../tests/http/scripted_inventory.ts";

const lines = [{ sku: "A", amount: 1 }, { sku: "B", amount: 2 }];
const reservation = { order_id: "o1", user_id: "u1", lines, ttl_seconds: 60 };
const origin = { actor: "", traceparent: "" };

function settled(state: "confirmed" | "cancelled"): Outcome {
  return { kind: "settled", state, seq: 8, replayed: false, lines: [{ sku: "A", amount: 1, available: 9 }] };
}

Deno.test("a reservation reaches the inventory as a command, and its answer the client", async () => {
  const { send, inventory } = routesUnderTest();
  const expiresAtMs = testNowMs + 60_000;
  inventory.decide = () => ({ ...acceptedOutcome, seq: 7, newStock: [9, 8], expiresAtMs });
  const response = await send("/api/v1/reservations", jsonPost(reservation));
  equal(response.status, 201);
  deepEqual(await response.json(), {
    success: true,
    order_id: "o1",
    lines: [{ sku: "A", amount: 1, new_stock: 9 }, { sku: "B", amount: 2, new_stock: 8 }],
    expires_at: "2026-11-22T12:01:00.000Z",
    seq: 7,
    message: "success",
  });
  const [command] = inventory.commands;
  if (command?.kind !== "reserve") throw new TypeError("Cannot check a command that is not a reservation");
  deepEqual(command, {
    kind: "reserve",
    orderId: "o1",
    userId: "u1",
    lines,
    hasToken: false,
    holdMs: 60_000,
    ...origin,
  });
});

Deno.test("a confirmation takes all, or the lines that it names", async () => {
  const { send, inventory } = routesUnderTest();
  inventory.decide = () => settled("confirmed");
  const path = "/api/v1/reservations/a%2Fb/confirm";
  const bodies = [{ method: "POST" }, jsonPost(""), jsonPost({}), jsonPost({ lines })];
  for (const body of bodies) {
    const response = await send(path, body);
    equal(response.status, 200);
    deepEqual(await response.json(), {
      success: true,
      order_id: "a/b",
      state: "confirmed",
      lines: [{ sku: "A", confirmed: 1, new_stock: 9 }],
      seq: 8,
      message: "success",
    });
  }
  const named = inventory.commands.map((command) => {
    if (command.kind !== "confirm") throw new TypeError("Cannot check a command that is not a confirmation");
    deepEqual(command, { kind: "confirm", owner: "", orderId: "a/b", lines: command.lines, ...origin });
    return command.lines;
  });
  deepEqual(named, [null, null, null, lines]);
});

Deno.test("a cancellation gives all back and takes no contents", async () => {
  const { send, inventory } = routesUnderTest();
  inventory.decide = () => settled("cancelled");
  const path = "/api/v1/reservations/o1/cancel";
  for (const body of [{ method: "POST" }, jsonPost({})]) {
    const { state } = await (await send(path, body)).json();
    equal(state, "cancelled");
  }
  deepEqual(inventory.commands, Array(2).fill({ kind: "cancel", owner: "", orderId: "o1", ...origin }));
  equal((await send(path, jsonPost({ lines }))).status, 400);
  equal(inventory.commands.length, 2);
});

Deno.test("an extension must say how long, and its response says until when", async () => {
  const { send, inventory } = routesUnderTest();
  inventory.decide = () => ({ kind: "extended", seq: 9, expiresAtMs: testNowMs + 900_000 });
  const path = "/api/v1/reservations/o1/extend";
  const response = await send(path, jsonPost({ ttl_seconds: 900 }));
  deepEqual(await response.json(), {
    success: true,
    order_id: "o1",
    expires_at: "2026-11-22T12:15:00.000Z",
    seq: 9,
    message: "success",
  });
  deepEqual(inventory.commands, [{ kind: "extend", owner: "", orderId: "o1", holdMs: 900_000, ...origin }]);
  equal((await send(path, { method: "POST" })).status, 415);
  equal((await send(path, jsonPost({}))).status, 400);
  equal(inventory.commands.length, 1);
});

Deno.test("each state that a reservation can be in has a refusal of its own", async () => {
  const { send, inventory } = routesUnderTest();
  const codes = {
    unknown_reservation: 404,
    already_confirmed: 409,
    already_cancelled: 409,
    reservation_expired: 409,
  } as const;
  for (const [kind, status] of Object.entries(codes)) {
    inventory.decide = () => ({ kind: kind as keyof typeof codes });
    for (const call of ["confirm", "cancel", "extend"]) {
      const response = await send(
        `/api/v1/reservations/o1/${call}`,
        jsonPost(call === "extend" ? { ttl_seconds: 1 } : {}),
      );
      const body = await response.json();
      deepEqual([response.status, body.code, body.order_id], [status, kind, "o1"]);
    }
  }
});

Deno.test("an order id in the path is held to the rules of ids", async () => {
  const { send, inventory } = routesUnderTest();
  for (const call of ["confirm", "cancel", "extend"]) {
    const response = await send(`/api/v1/reservations/%ff/${call}`, jsonPost({}));
    deepEqual([response.status, (await response.json()).errors[0].pointer], [400, "/order_id"]);
  }
  equal(inventory.commands.length, 0);
});
