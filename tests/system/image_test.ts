/**
 * What the containers do, without an engine for containers: the files that the Dockerfile copies, its packages and
 * the commands of `compose.yaml`, on real servers.
 */
import assert from "node:assert/strict";
import { runCommand } from "../../tools/servers/command.ts";
import { programOf } from "../../tools/servers/install.ts";
import { freePort } from "../../tools/servers/port.ts";
import { startProcess } from "../../tools/servers/process.ts";
import { startRedis } from "../../tools/servers/redis.ts";
import { dataDir } from "../../tools/servers/run_folder.ts";
import { sharedPostgres } from "../../tools/servers/shared.ts";
import { waitFor } from "../../tools/servers/wait.ts";
import { readCompose, ROOT } from "./compose.ts";

const COMMAND_DEADLINE_MS = 120_000;
const NODES = 6;
/** One of them has what a shell, sed and Redis' configuration each read as something else. */
const REDIS_PASSWORDS = {
  REDIS_API_PASSWORD: "api",
  REDIS_WORKER_PASSWORD: "worker",
  REDIS_OPERATOR_PASSWORD: "operator",
  REDIS_REPLICA_PASSWORD: `re"pl\\ica&/ $HOME`,
  REDIS_ADMIN_PASSWORD: "ad/min&",
};
const dockerfile = Deno.readTextFileSync(`${ROOT}Dockerfile`);

/** A folder with what the image has, and its packages in the cache, by the image's own command. */
async function buildImage(): Promise<string> {
  const folder = await dataDir("image");
  for (const [, sources = ""] of dockerfile.matchAll(/^COPY (.+) \S+$/gm)) {
    for (const source of sources.split(" ")) {
      await runCommand("cp", ["-r", ROOT + source, folder], { deadlineMs: COMMAND_DEADLINE_MS });
    }
  }
  const [, install = ""] = /^RUN deno (.+)$/m.exec(dockerfile) ?? [];
  await deno(install.split(" "), folder);
  return folder;
}

function deno(args: readonly string[], cwd: string, env: Record<string, string> = {}): Promise<string> {
  return runCommand(Deno.execPath(), args, { deadlineMs: COMMAND_DEADLINE_MS, cwd, env });
}

Deno.test("image: API and worker run from what the Dockerfile copies, and their health checks tell", async () => {
  const { services } = readCompose();
  const image = await buildImage();
  await using redis = await startRedis();
  const port = String(freePort());
  const env = {
    REDIS_URL: redis.url,
    DATABASE_URL: await sharedPostgres().freshDatabase(),
    SHARDS: "2",
    HOST: "127.0.0.1",
    PORT: port,
  };
  const health = (service: string) => {
    const [, , ...args] = services[service]?.healthcheck?.test ?? [];
    return deno(args.map((arg) => arg.replace(":8080/", `:${port}/`)), image, env);
  };
  const run = (args: readonly string[], readyLine: RegExp) =>
    startProcess({ args, cwd: image, env, readyLine });
  const [, command = ""] = /^CMD (.+)$/m.exec(dockerfile) ?? [];

  await using api = await run(JSON.parse(command), /Holdfast listens/);
  await assert.rejects(health("api-1"), /exited with code 1/); // nothing is armed yet
  await assert.rejects(health("worker-1"), /exited with code 1/); // no worker has made the ledger
  await using _worker = await run(services["worker-1"]?.command ?? [], /Holdfast worker runs/);
  const isHealthy = (service: string) => health(service).then(() => true);
  for (const service of ["api-1", "worker-1"]) {
    await waitFor(() => isHealthy(service), { deadlineMs: 30_000, what: `${service} to be healthy` });
  }
  assert.equal((await api.stop(10_000)).code, 0, "it drains when its container is stopped");
});

Deno.test("image: the scripts start six nodes under the users of deploy/redis, make a cluster of them, and leave one that is there alone", async () => {
  await using nodes = new AsyncDisposableStack();
  const [, , ...options] = readCompose().services["redis-1"]?.command ?? [];
  const ports: number[] = [];
  for (let i = 0; i < NODES; i++) {
    const port = freePort();
    const folder = await dataDir("compose-redis");
    const env = {
      ...REDIS_PASSWORDS,
      SERVER: programOf("redis", "redis-server"),
      USERS: `${ROOT}deploy/redis/users.acl`,
      RUN: folder,
    };
    const args = [`${ROOT}deploy/compose/redis.sh`, ...options, "--port", `${port}`, "--dir", folder];
    const ready = { readyLine: /Ready to accept connections/ };
    nodes.use(await startProcess({ command: "sh", args, env, ...ready }));
    ports.push(port);
  }
  const CLI = programOf("redis", "redis-cli");
  const env = {
    NODES: ports.map((port) => `127.0.0.1:${port}`).join(" "),
    CLI,
    REDISCLI_AUTH: REDIS_PASSWORDS.REDIS_ADMIN_PASSWORD,
  };
  const form = () =>
    runCommand("sh", [`${ROOT}deploy/compose/form-cluster.sh`], { deadlineMs: COMMAND_DEADLINE_MS, env });
  assert.match(await form(), /All 16384 slots covered/);
  const cli = (...args: string[]) =>
    runCommand(CLI, ["-e", "-p", String(ports[0]), ...args], { deadlineMs: COMMAND_DEADLINE_MS, env });
  const before = (await cli("--user", "admin", "cluster", "nodes")).trim().split("\n").length;
  assert.equal(before, NODES);
  assert.match(await form(), /know each other already/);
  await assert.rejects(cli("ping"), /NOAUTH|WRONGPASS|invalid/, "the user default is off");
  assert.match(await cli("--user", "admin", "config", "get", "cluster-require-full-coverage"), /\nno/);
  const state = () => cli("--user", "admin", "info", "replication");
  await waitFor(async () => /connected_slaves:1/.test(await state()), {
    deadlineMs: 30_000,
    what: "the replica to be let in as the user replica",
  });
});
