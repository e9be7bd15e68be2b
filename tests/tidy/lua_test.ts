import assert from "node:assert/strict";
import { file, judges } from "./judge.ts";
import {
  argumentDrift,
  boundDrift,
  brokenParts,
  headerOf,
  keyDrift,
  parseShape,
  shapesUnder,
  unusedParts,
  writesOutsideScripts,
} from "./lua.ts";
import type { SourceFile } from "./files.ts";

const luaHeader = [
  "--[=[ a: does.",
  "",
  "  KEYS[1] meta   {inventory:<shard>}:meta   hash",
  "  KEYS[2] stock  {inventory:<shard>}:stock  hash",
  "  ARGV[1] epoch",
  "",
  "  Commands (in order)",
  '    ["stock", deadline, [SKU, ...]]   reads',
  '    ["lookup", deadline]',
  "  Reply   x ]=]",
].join("\n");

Deno.test("Lua: a header that drifted from its script is found", () => {
  const script = (body: string, header = luaHeader) => file("lua/a.lua", `#!lua\n${header}\n${body}`);
  const drift = (one: SourceFile) => argumentDrift(one, [one]);
  judges(drift, {
    fine: [script("return ARGV[1]")],
    broken: [script("return 1"), script("return ARGV[1] .. ARGV[2]")],
  });
  judges((one) => keyDrift(one, [one], ["meta", "stock"]), {
    fine: [script("return KEYS[2]")],
    broken: [
      script("return KEYS[3]"),
      script("", luaHeader.replace("KEYS[2] stock  {", "KEYS[2] orders {")),
      script("", luaHeader.replace("}:stock", "}:orders")),
      script("", "--[=[ a: says nothing of keys ]=]"),
    ],
  });
  assert.equal(keyDrift(script(""), [], ["stock", "meta"]).length, 1, "another order");
});

Deno.test("Lua: missing names and parts are found", () => {
  const part = file("lua/part.lua", "--[=[ part: p. ]=]");
  const nested = file("lua/nested.lua", '--[=[ nested: n. ]=]\n-- @include "part.lua"');
  const script = (include: string) => file("lua/a.lua", `#!lua\n${luaHeader}\n-- @include "${include}"\n`);
  judges((one) => brokenParts(one, [part, nested]), {
    fine: [script("part.lua"), part],
    broken: [script("gone.lua"), script("nested.lua"), file("lua/b.lua", luaHeader), file("lua/c.lua", "")],
  });
  assert.deepEqual(unusedParts([script("part.lua"), part]), []);
  assert.equal(unusedParts([script("nested.lua"), part]).length, 1);
});

Deno.test("Lua: lists are read out of a header", () => {
  const header = headerOf(file("lua/a.lua", luaHeader));
  assert.ok(header);
  const commands = [['"stock"', "deadline", ["SKU"]], ['"lookup"', "deadline"]];
  assert.deepEqual(shapesUnder("Commands", header), commands);
  assert.deepEqual(shapesUnder("Replies", header), []);
  assert.deepEqual(parseShape('["a", [b c, ...], [[d], ...]]  for [people]'), ['"a"', ["b c"], [["d"]]]);
});

Deno.test("Redis: a command that writes outside a script is found", () => {
  const source = (text: string, path = "src/redis/a.ts") => file(path, text);
  judges(writesOutsideScripts, {
    fine: [
      source('await links.call(shard, "HMGET", key, "a");'),
      source('// "HSET" is for scripts'),
      source('await redis.call("DEL", key);', "tests/system/a_test.ts"),
    ],
    broken: [source('await links.call(shard, "HSET", key, "a", 1);'), source('redis.call("MULTI")')],
  });
});

Deno.test("Lua: a bound that differs from TypeScript's, or is not there, is found", () => {
  judges((one) => boundDrift(one, { quantityMax: 1000 }), {
    fine: [file("lua/a.lua", "local QUANTITY_MAX = 1000 -- a reason\nlocal ACTOR = 17")],
    broken: [
      file("lua/a.lua", "local QUANTITY_MAX = 1001"),
      file("lua/a.lua", "local x = 1\nlocal LATE_MS = 1000"),
    ],
  });
});
