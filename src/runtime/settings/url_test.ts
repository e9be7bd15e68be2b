import { deepEqual, equal, match } from "node:assert/strict";
import { parsePostgresUrl } from "./postgres_url.ts";
import { parseRedisUrl, parseRedisUrls } from "./redis_url.ts";
import { type Parsed, parseHostPort } from "./url_text.ts";

function valueOf<T>(result: Parsed<T>): T {
  if (result.kind === "invalid") throw new Error(result.rule);
  return result.value;
}

const ruleOf = (result: Parsed<unknown>) => result.kind === "invalid" ? result.rule : "valid";

Deno.test("REDIS_URL: what is accepted is what the driver gets", () => {
  const plain = { host: "h", port: 6379, username: "", password: "", db: 0, tls: false, family: 0 };
  deepEqual(valueOf(parseRedisUrl("redis://h")), plain);
  deepEqual(valueOf(parseRedisUrl("rediss://u:p%40%25@[::1]:7000/2?family=6")), {
    host: "::1",
    port: 7000,
    username: "u",
    password: "p@%",
    db: 2,
    tls: true,
    family: 6,
  });
  deepEqual(valueOf(parseRedisUrl("redis://:secret@h/")), { ...plain, password: "secret" });
});

Deno.test("REDIS_URL: a part that is wrong is named, with how to write it", () => {
  const cases: [url: string, rule: RegExp][] = [
    ["redis://:50%off@h", /password is percent-encoded: write % as %25/],
    ["redis://h:99999", /port from 1 to 65535/],
    ["redis://h:0", /port from 1 to 65535/],
    ["redis://h/db", /path is a database number/],
    ["redis://h ", /without white space/],
    ["redis://h/0#x", /without white space or #/],
    ["http://h", /begins with redis:\/\/ or rediss:\/\//],
    ["redis://", /one host/],
    ["redis://h?keyPrefix=x", /without the parameter keyPrefix/],
    ["redis://h?autoResendUnfulfilledCommands=true", /without the parameter autoResendUnfulfilledCommands/],
    ["redis://h?enableOfflineQueue=true", /without the parameter enableOfflineQueue/],
    ["redis://h?tls=true", /begins with rediss:\/\/ instead of the parameter tls/],
    ["redis://h?family=4&family=6", /parameter family stands once/],
  ];
  for (const [url, rule] of cases) match(ruleOf(parseRedisUrl(url)), rule, url);
  match(ruleOf(parseRedisUrls("redis://a,rediss://b", 9)), /all begin/);
  match(ruleOf(parseRedisUrls("redis://a/1,redis://b/1", 9)), /database 0/);
  match(ruleOf(parseRedisUrls("redis://a,redis://b", 1)), /at most 1 URLs/);
});

Deno.test("REDIS_URL: what providers add to it is named and has no effect", () => {
  const result = parseRedisUrl("rediss://default:p@h:6380?ssl_cert_reqs=none&protocol=3");
  deepEqual(result.kind === "valid" && result.ignored, ["ssl_cert_reqs", "protocol"]);
});

Deno.test("DATABASE_URL: what is accepted is what the driver gets", () => {
  const plain = {
    hosts: [{ host: "h", port: 5432 }],
    username: "u",
    password: "",
    database: "u",
    sslMode: "disable",
    caFile: null,
    clientCertificate: null,
    targetSession: "any",
  };
  deepEqual(valueOf(parsePostgresUrl("postgres://u@h")), plain);
  deepEqual(
    valueOf(parsePostgresUrl("postgresql://u%20x:p%2F@[::1]:6432/d?sslmode=verify-full&sslrootcert=/ca.pem")),
    {
      ...plain,
      hosts: [{ host: "::1", port: 6432 }],
      username: "u x",
      password: "p/",
      database: "d",
      sslMode: "verify-full",
      caFile: "/ca.pem",
    },
  );
  deepEqual(valueOf(parsePostgresUrl("postgres://u:p@a:1,b:2/d?target_session_attrs=read-write")), {
    ...plain,
    hosts: [{ host: "a", port: 1 }, { host: "b", port: 2 }],
    password: "p",
    database: "d",
    targetSession: "read-write",
  });
  const socket = { ...plain, hosts: [{ host: "/run/postgresql", port: 5433 }], database: "d" };
  deepEqual(valueOf(parsePostgresUrl("postgres://u@/d?host=/run/postgresql&port=5433")), socket);
  deepEqual(valueOf(parsePostgresUrl("postgres:///d?user=u&host=/run/postgresql&port=5433")), socket);
  deepEqual(valueOf(parsePostgresUrl("postgres://u@%2Frun%2Fpostgresql/d?port=5433")), socket);
});

Deno.test("DATABASE_URL: a part that is wrong is named, with how to write it", () => {
  const cases: [url: string, rule: RegExp][] = [
    ["postgres://u:50%off@h/d", /password is percent-encoded/],
    ["postgres://h/d", /with a user/],
    ["postgres://u@h:70000/d", /host:port/],
    ["postgres://u@/d", /host:port/],
    ["postgres://u@h/d/e", /one database/],
    ["postgres://u@h/d?idle_session_timeout=0", /without the parameter idle_session_timeout: Holdfast sets/],
    ["postgres://u@h/d?search_path=public", /without the parameter search_path/],
    ["postgres://u@h/d?statement_timeout=0", /without the parameter statement_timeout/],
    ["postgres://u@h/d?sslmode=no", /sslmode is one of/],
    ["postgres://u@h/d?ssl=no-verify", /sslmode instead of the parameter ssl/],
    ["postgres://u@h/d?sslcert=a", /both sslcert and sslkey/],
    ["postgres://u@h/d?target_session_attrs=standby", /target_session_attrs is any/],
    ["postgres://u@h/d?host=other", /not in both/],
    ["mysql://u@h/d", /begins with postgres:\/\//],
  ];
  for (const [url, rule] of cases) match(ruleOf(parsePostgresUrl(url)), rule, url);
});

Deno.test("DATABASE_URL: what providers add to it is named and has no effect", () => {
  const url = "postgres://u:p@h/d?sslmode=require&channel_binding=require&pgbouncer=true&schema=public";
  const result = parsePostgresUrl(url);
  deepEqual(result.kind === "valid" && result.ignored, ["channel_binding", "pgbouncer", "schema"]);
  equal(result.kind === "valid" && result.value.sslMode, "require");
});

Deno.test("a host and a port: IPv6 in brackets, ports from 1 to 65535", () => {
  deepEqual(parseHostPort("[::1]:19092", null), { host: "::1", port: 19092 });
  deepEqual(parseHostPort("k", 5), { host: "k", port: 5 });
  for (const text of ["k", "k:", "k:x", "k:65536", "::1:9092", "[::1", "a@k:1", ""]) {
    equal(parseHostPort(text, null), undefined, text);
  }
});
