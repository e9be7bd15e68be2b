import assert from "node:assert/strict";
import { guaranteesOff, refusalsOf } from "../domain/check_result.ts";
import { judgeServer, type ServerFacts } from "./server_checks.ts";

/** A server that keeps everything, but for what the test says. */
function facts(changed: Record<string, string | undefined>, others: Partial<ServerFacts> = {}): ServerFacts {
  const fields = {
    redis_version: "7.2.4",
    maxmemory_policy: "noeviction",
    aof_enabled: "1",
    aof_last_write_status: "ok",
    connected_slaves: "1",
    min_slaves_good_slaves: "1",
    ...changed,
  };
  const lines = Object.entries(fields).filter(([, value]) => value !== undefined);
  return {
    info: lines.map(([name, value]) => `${name}:${value}`).join("\r\n"),
    settings: new Map([["appendfsync", "always"], ["min-replicas-to-write", "1"]]),
    aheadMs: 3,
    replicas: { replicas: 1, silent: 0 },
    ...others,
  };
}

function verdictOf(check: string, given: ServerFacts): string | undefined {
  return judgeServer(given).find((checkResult) => checkResult.check === check)?.verdict;
}

Deno.test("judgeServer() finds nothing off on a server that is set up as it should be", () => {
  assert.deepEqual(guaranteesOff(judgeServer(facts({}))), []);
  assert.deepEqual(refusalsOf(judgeServer(facts({})), "strict"), []);
});

Deno.test("judgeServer() refuses a Valkey without its Lua module, by name", () => {
  const engines = (lines: Record<string, string>) =>
    refusalsOf(judgeServer(facts({ valkey_version: "9.1.2", ...lines })), "report");
  assert.match(
    engines({ engines_count: "0" }).join(),
    /^Cannot use this server as scripting engine must have .*'lua'/,
  );
  assert.deepEqual(engines({ engines_count: "1", engine_0: "name=LUA,module=lua,abi_version=4" }), []);
  assert.deepEqual(engines({}), [], "a server that does not list its engines");
});

Deno.test("judgeServer() refuses versions that cannot run the script, by name", () => {
  const versions: [Record<string, string>, string | undefined][] = [
    [{ redis_version: "6.2.14" }, "must be at least Redis 7.0: it is 6.2.14"],
    [{ redis_version: "7.0.0" }, undefined],
    [{ redis_version: "8.2.1" }, undefined],
    // Valkey says for the sake of old clients that it is Redis 7.2.4.
    [{ redis_version: "7.2.4", valkey_version: "7.1.9" }, "must be at least Valkey 7.2: it is 7.1.9"],
    [{ redis_version: "7.2.4", valkey_version: "7.2.5" }, undefined],
    [{ redis_version: "7.2.4", valkey_version: "9.1.0" }, undefined],
    [{ redis_version: "" }, "must be at least Redis 7.0: it is "],
  ];
  for (const [fields, found] of versions) {
    const expected = found === undefined ? [] : [`Cannot use this server as version ${found}`];
    assert.deepEqual(refusalsOf(judgeServer(facts(fields)), "report"), expected, JSON.stringify(fields));
  }
});

Deno.test("judgeServer() refuses a server that may forget sales, whatever DURABILITY says", () => {
  for (const policy of ["allkeys-lru", "volatile-ttl"]) {
    assert.match(
      refusalsOf(judgeServer(facts({ maxmemory_policy: policy })), "report").join(),
      new RegExp(`maxmemory-policy must be noeviction.*it is ${policy}`),
    );
  }
});

Deno.test("judgeServer() says which promise is off, and strict refuses it", () => {
  const settings = (appendfsync: string, minimum = "1") =>
    new Map([["appendfsync", appendfsync], ["min-replicas-to-write", minimum]]);
  const cases: [string, ServerFacts, RegExp][] = [
    ["appendonly", facts({ aof_enabled: "0" }), /power cut of Redis: appendonly is no/],
    [
      "appendonly",
      facts({ aof_last_write_status: "err" }),
      /power cut of Redis: appendonly is yes, .* failed: err/,
    ],
    [
      "appendfsync",
      facts({}, { settings: settings("everysec") }),
      /power cut of Redis: appendfsync is everysec/,
    ],
    [
      "replicas",
      facts({}, { replicas: { replicas: 1, silent: 1 } }),
      /loss of a Redis server: replicas 1 of 2 acknowledge/,
    ],
    ["replicas", facts({ connected_slaves: "0" }), /loss of a Redis server: replicas there are none/],
    [
      "min-replicas-to-write",
      facts({}, { settings: settings("always", "0") }),
      /loss of a Redis server: min-rep.* is 0/,
    ],
    ["clock", facts({}, { aheadMs: -1500 }), /one time: clock of Redis is about -1 s ahead/],
    ["clock", facts({}, { aheadMs: NaN }), /one time: clock of Redis/],
  ];
  for (const [check, given, expected] of cases) {
    assert.equal(verdictOf(check, given), "off", check);
    assert.match(guaranteesOff(judgeServer(given)).join(), expected);
    assert.deepEqual(refusalsOf(judgeServer(given), "report"), []);
    assert.match(
      refusalsOf(judgeServer(given), "strict").join(),
      /Cannot arm on these servers as DURABILITY is strict/,
    );
  }
});

Deno.test("judgeServer() tells what it can from INFO where CONFIG is refused, and says what it cannot tell", () => {
  const managed = { settings: null };
  assert.deepEqual(guaranteesOff(judgeServer(facts({}, managed))), [
    "cannot tell whether an answered sale survives a power cut of Redis: appendfsync is not shown by this server, " +
    "which refuses CONFIG GET",
  ]);
  assert.equal(
    verdictOf("min-replicas-to-write", facts({ min_slaves_good_slaves: undefined }, managed)),
    "off",
  );
  assert.equal(verdictOf("maxmemory-policy", facts({ maxmemory_policy: undefined }, managed)), "unknown");
  assert.equal(verdictOf("appendonly", facts({ aof_enabled: undefined }, managed)), "unknown");
  assert.match(refusalsOf(judgeServer(facts({}, managed)), "strict").join(), /strict: cannot tell whether/);
});
