/**
 * A Redis as `deploy/redis` sets it up: its configuration, users and certificates, with folders and passwords of the
 * test in place of those that the files name.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { runCommand } from "./command.ts";
import { programOf } from "./install.ts";
import { freePort } from "./port.ts";
import { startProcess } from "./process.ts";
import { dataDir } from "./run_folder.ts";

const SHIPPED = fileURLToPath(new URL("../../deploy/redis", import.meta.url));
const COMMAND_DEADLINE_MS = 60_000;

/** A server, and the ways to it. */
export interface ShippedRedis extends AsyncDisposable {
  /** On 127.0.0.1, with TLS. */
  readonly port: number;
  /** The certificate of the authority that clients must trust. */
  readonly caFile: string;
  /** Its address for a user of `users.acl`. */
  url(user: string): string;
  /** Sends one command as a user, and returns the reply as redis-cli prints it; an error reply is thrown. */
  cli(user: string, ...args: readonly string[]): Promise<string>;
}

/** Certificates for servers on this machine; several servers may share them. */
export async function makeCertificates(): Promise<{ readonly folder: string } & AsyncDisposable> {
  const folder = await dataDir("certificates");
  programOf("openssl", "openssl"); // or the line to install it
  const args = [folder, "127.0.0.1", "localhost"];
  await runCommand(`${SHIPPED}/certificates.sh`, args, { deadlineMs: COMMAND_DEADLINE_MS });
  return { folder, [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }) };
}

/** Starts a server from one of the shipped files; returns when it answers. */
export async function startShippedRedis(
  file: "redis.conf" | "cluster.conf",
  certificates: string,
): Promise<ShippedRedis> {
  const dir = await dataDir("shipped-redis");
  await Deno.mkdir(`${dir}/data`);
  for (const name of ["redis.conf", "cluster.conf", "users.acl"]) {
    await Deno.writeTextFile(
      `${dir}/${name}`,
      adapted(await Deno.readTextFile(`${SHIPPED}/${name}`), dir, certificates),
    );
  }
  const port = freePort();
  const server = await startProcess({
    command: programOf("redis", "redis-server"),
    args: [`${dir}/${file}`, "--bind", "127.0.0.1", "--tls-port", String(port)],
    readyLine: /Ready to accept connections/,
  });
  const caFile = `${certificates}/ca.crt`;
  return {
    port,
    caFile,
    url: (user) => `rediss://${user}:${passwordOf(user)}@127.0.0.1:${port}`,
    async cli(user, ...args) {
      const way = [
        "-e",
        "-h",
        "127.0.0.1",
        "-p",
        String(port),
        "--tls",
        "--cacert",
        caFile,
        "--no-auth-warning",
      ];
      const who = user === "" ? [] : ["--user", user, "--pass", passwordOf(user)];
      const command = [...way, ...who, ...args];
      return (await runCommand(programOf("redis", "redis-cli"), command, { deadlineMs: COMMAND_DEADLINE_MS }))
        .trim();
    },
    async [Symbol.asyncDispose]() {
      await server.kill();
      await Deno.remove(dir, { recursive: true });
    },
  };
}

/** The placeholders in the files. */
function adapted(text: string, dir: string, certificates: string): string {
  return text
    .replaceAll("/etc/redis/tls", certificates)
    .replaceAll("/etc/redis", dir)
    .replaceAll("/var/lib/redis", `${dir}/data`)
    .replaceAll(/SHA256_OF_(\w+)_PASSWORD/g, (_, who: string) => sha256(passwordOf(userOf(who))))
    .replaceAll("PASSWORD_OF_REPLICA", passwordOf("replica"));
}

function userOf(placeholder: string): string {
  const name = placeholder.toLowerCase();
  return ["api", "worker", "operator"].includes(name) ? `holdfast-${name}` : name;
}

function passwordOf(user: string): string {
  return `password-of-${user}`;
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
