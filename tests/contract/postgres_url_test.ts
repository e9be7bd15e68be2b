/**
 * `DATABASE_URL` on a real server: unix sockets, every `sslmode`, and several hosts, for the pool and for sessions.
 */
import assert from "node:assert/strict";
import { openPostgres } from "../../src/ledger/postgres/server.ts";
import { realWorld } from "../../src/runtime/world.ts";
import { freePort } from "../../tools/servers/port.ts";
import { type PostgresServer, startPostgres } from "../../tools/servers/postgres.ts";
import { makeCertificates } from "../../tools/servers/shipped_redis.ts";

/** What a pool and a session hear from the server that `url` leads to. */
async function ask(url: string, statement: string): Promise<unknown[]> {
  const database = openPostgres({ url, namespace: "inventory", applicationName: "test", world: realWorld });
  try {
    const session = await database.session();
    const answers = [
      await database.query<{ value: unknown }>(statement),
      await session.query<{ value: unknown }>(statement),
    ];
    return answers.map(([row]) => row?.value);
  } finally {
    await database.close();
  }
}

/** A server with a certificate for localhost and 127.0.0.1, and a unix socket in its own folder. */
async function startWithTls(certificates: string): Promise<PostgresServer> {
  const server = await startPostgres();
  const { uid, gid } = await Deno.stat(server.dir);
  for (const name of ["crt", "key"]) {
    const file = `${server.dir}/server.${name}`;
    await Deno.copyFile(`${certificates}/redis.${name}`, file);
    await Deno.chmod(file, 0o600);
    if (Deno.uid() === 0) await Deno.chown(file, uid, gid);
  }
  const settings = `ssl = on\nssl_cert_file = 'server.crt'\nssl_key_file = 'server.key'\n`;
  await Deno.writeTextFile(`${server.dir}/postgresql.conf`, settings, { append: true });
  await server.kill();
  await server.start();
  return server;
}

Deno.test("DATABASE_URL: a unix socket, by folder in the parameter host and in the host itself", async () => {
  await using server = await startPostgres({ args: ["-c", "unix_socket_directories=."] });
  const { dir, port } = server;
  const statement = "select inet_client_addr() is null as value";
  const folder = encodeURIComponent(dir);
  assert.deepEqual(await ask(`postgres://postgres@/postgres?host=${folder}&port=${port}`, statement), [
    true,
    true,
  ]);
  assert.deepEqual(await ask(`postgres://postgres@${folder}/postgres?port=${port}`, statement), [true, true]);
});

Deno.test("DATABASE_URL: sslmode encrypts and checks as libpq does", async () => {
  await using certificates = await makeCertificates();
  const ca = encodeURIComponent(`${certificates.folder}/ca.crt`);
  await using server = await startWithTls(certificates.folder);
  const statement = "select ssl as value from pg_stat_ssl where pid = pg_backend_pid()";
  const url = (host: string, query: string) => `postgres://postgres@${host}:${server.port}/postgres?${query}`;
  for (
    const [query, encrypted] of [
      ["", false],
      ["sslmode=disable", false],
      ["sslmode=prefer", true],
      ["sslmode=require", true],
      [`sslmode=require&sslrootcert=${ca}`, true],
      [`sslmode=verify-ca&sslrootcert=${ca}`, true],
      [`sslmode=verify-full&sslrootcert=${ca}`, true],
    ] as const
  ) {
    assert.deepEqual(await ask(url("localhost", query), statement), [encrypted, encrypted], query);
  }
  // The certificate is made out to localhost and 127.0.0.1, by an authority that the system does not know.
  await assert.rejects(ask(url("localhost", "sslmode=verify-full"), statement));
  await assert.rejects(
    ask(url("localhost", "sslmode=verify-full&sslrootcert=%2Fno%2Fsuch"), statement),
    RangeError,
  );
});

Deno.test("DATABASE_URL: of several hosts the one that answers and takes writes", async () => {
  await using standby = await startPostgres({ args: ["-c", "default_transaction_read_only=on"] });
  await using primary = await startPostgres();
  const hosts = [freePort(), standby.port, primary.port].map((port) => `127.0.0.1:${port}`).join(",");
  const statement = "select current_setting('port')::int as value";
  assert.deepEqual(
    await ask(`postgres://postgres@${hosts}/postgres?target_session_attrs=read-write`, statement),
    [primary.port, primary.port],
  );
  const any = await ask(`postgres://postgres@${hosts}/postgres`, statement);
  assert.deepEqual(any, [standby.port, standby.port]);
});
