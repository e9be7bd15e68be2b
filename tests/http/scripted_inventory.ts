/**
 * An inventory that answers what a test tells it to: for tests of the edge, where the port is ours.
 *
 * @module
 */
import { equal } from "node:assert/strict";
import { loadConfig } from "../../src/runtime/settings/config.ts";
import type { Command } from "../../src/domain/command.ts";
import type { OrderOutcome, Outcome } from "../../src/domain/outcome.ts";
import type { CommandTimings } from "../../src/decide/command_timings.ts";
import type { Inventory, Readiness } from "../../src/decide/service.ts";
import { realWorld } from "../../src/runtime/world.ts";
import { type App, createApp } from "../../src/http/app.ts";
import type { RequestObserver } from "../../src/http/ports/observer.ts";
import type { Connection } from "../../src/http/ports/route.ts";
import type { FieldError } from "../../src/http/schemas/schema.ts";
import type { Checked } from "../../src/http/write/response.ts";

/** The moment at which {@link routesUnderTest} always is. */
export const testNowMs: number = Date.UTC(2026, 10, 22, 12, 0, 0);

/** A sale or a change of stock that took effect; spread it and set what a test is about. */
export const acceptedOutcome = {
  kind: "accepted",
  seq: 1,
  newStock: [0],
  replayed: false,
  created: false,
  expiresAtMs: 0,
} as const satisfies Outcome;

/** Remembers what it was asked and gives the answer that was set. */
export class ScriptedInventory implements Inventory {
  /** Every command, oldest first. */
  readonly commands: Command[] = [];
  /** The answer to every command; a thrown error is broken code. */
  decide: (command: Command) => Outcome = () => ({ kind: "unarmed" });
  /** The answer to every look at the readiness. */
  state: Readiness = { ready: true, missing: [], guaranteesOff: [], checkedAtMs: 0 };

  /** Whether the client declared each command a first attempt, oldest first. */
  readonly firstAttempts: boolean[] = [];

  /** Records a command and answers it. */
  submit(
    command: Command,
    _timings?: CommandTimings,
    isFirstAttempt: () => boolean = () => false,
  ): Promise<Outcome> {
    this.commands.push(command);
    this.firstAttempts.push(isFirstAttempt());
    return Promise.try(this.decide, command);
  }

  /** The answer to every question about an order. */
  order: OrderOutcome = { kind: "order_found", lines: [] };
  /** Every order that was asked for, oldest first. */
  readonly lookups: string[] = [];

  /** Answers {@link ScriptedInventory.order}. */
  findOrder(orderId: string): Promise<OrderOutcome> {
    this.lookups.push(orderId);
    return Promise.resolve(this.order);
  }

  /** Always the same one. */
  shardOf(_sku: string): number {
    return 3;
  }

  /** Nothing ever waits. */
  readonly waiting = 0;
  /** All sell. */
  readonly unarmedShards = 0;
  /** Never asked. */
  readonly soldOut = { hits: 0, misses: 0 };

  /** Answers {@link ScriptedInventory.state}. */
  readiness(): Promise<Readiness> {
    return Promise.resolve(this.state);
  }
}

/** An app on a scripted inventory. */
export interface RoutesUnderTest {
  /** Sends a request to the app, past any socket. */
  readonly send: (path: string, init?: RequestInit) => Promise<Response>;
  /** The app itself. */
  readonly app: App;
  /** What the app asks. */
  readonly inventory: ScriptedInventory;
  /** What was reported as an error. */
  readonly reported: unknown[];
}

/** The app as `env` configures it, on a scripted inventory, at {@link testNowMs}, called from `connection`. */
export function routesUnderTest(
  env: Record<string, string> = {},
  connection: Connection = {},
  deployment: () => string | null = () => "here",
  observers: readonly RequestObserver[] = [],
): RoutesUnderTest {
  const inventory = new ScriptedInventory();
  const reported: unknown[] = [];
  const app = createApp({
    inventory,
    config: loadConfig(env),
    world: { ...realWorld, now: () => testNowMs },
    deployment,
    observers,
    reportError: (error) => reported.push(error),
  });
  const send = async (path: string, init?: RequestInit) => {
    return await app.fetch(new Request(`http://127.0.0.1:8080${path}`, init), connection);
  };
  return { send, app, inventory, reported };
}

/** A POST of JSON; a string is sent as it is. */
export function jsonPost(body: unknown, headers: Record<string, string> = {}): RequestInit {
  return {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  };
}

/** A PUT of JSON. */
export function jsonPut(body: unknown): RequestInit {
  return { ...jsonPost(body), method: "PUT" };
}

/** What a check found. */
export function valueOf<T>(checked: Checked<T>): T {
  if (checked.kind === "refused") throw new TypeError(`Cannot use ${JSON.stringify(checked.answer.body)}`);
  return checked.value;
}

/** All that a check found wrong. */
export function errorsOf(checked: Checked<unknown>): readonly FieldError[] {
  if (checked.kind === "valid") throw new TypeError("Cannot read errors of a valid request");
  equal(checked.answer.status, 400);
  equal(checked.answer.body.code, "invalid_request");
  return checked.answer.body.errors as FieldError[];
}

/** Where a check found something wrong. */
export function pointersOf(checked: Checked<unknown>): string[] {
  return errorsOf(checked).map((error) => error.pointer);
}
