/**
 * A real nginx with the configuration of `deploy/nginx`, before whatever a test puts behind it.
 *
 * @module
 */
import { join } from "node:path";
import { runCommand } from "./command.ts";
import { programOf } from "./install.ts";
import { freePort } from "./port.ts";
import { startProcess } from "./process.ts";
import { dataDir } from "./run_folder.ts";

/** What stands behind nginx, and whom it does not limit. */
export interface NginxOptions {
  /** Base addresses of the API processes. */
  readonly apis: readonly string[];
  /** Whether the tests' own address is limited as a stranger's is. */
  readonly limited?: boolean;
  /** Whether the tests' own address is inside, as shipped; else it is a stranger's. */
  readonly inside?: boolean;
  /** Whether the header X-Test-Address says from where a client comes. */
  readonly addressByHeader?: boolean;
  /** Where it listens for plain HTTP; a free port when left out. */
  readonly port?: number;
}

/** An nginx that answers; disposing of it ends it. */
export interface Nginx extends AsyncDisposable {
  /** Plain HTTP, which the shipped configuration does not have: clients on TLS would take both cores. */
  readonly url: string;
  /** TLS, as shipped. */
  readonly tlsUrl: string;
  /** The certificate, which is its own authority. */
  readonly certificate: string;
  /** The processes that serve. */
  readonly workerPids: readonly number[];
  /** Its access log and what it complained about. */
  output(): string;
}

const SHIPPED = join(import.meta.dirname ?? ".", "..", "..", "deploy", "nginx");
const STOP_GRACE_MS = 5_000;
const OPENSSL_DEADLINE_MS = 20_000;

/** Starts nginx on free ports, in a folder of its own; returns when it listens. */
export async function startNginx(options: NginxOptions): Promise<Nginx> {
  const { apis, limited = false, inside = true, addressByHeader = false, port = freePort() } = options;
  const folder = await dataDir("nginx");
  await Deno.chmod(folder, 0o711); // its workers run as nobody when the tests run as root
  const tlsPort = freePort();
  const certificate = await makeCertificate(folder);
  const shippedListen = await Deno.readTextFile(`${SHIPPED}/listen.conf`);
  const shippedApis = await Deno.readTextFile(`${SHIPPED}/apis.conf`);
  await Deno.copyFile(`${SHIPPED}/nginx.conf`, `${folder}/nginx.conf`);
  await Deno.writeTextFile(`${folder}/apis.conf`, serversFor(apis, shippedApis));
  await Deno.writeTextFile(`${folder}/unlimited.conf`, limited ? "" : "127.0.0.0/8 0;");
  if (inside) await Deno.copyFile(`${SHIPPED}/inside.conf`, `${folder}/inside.conf`);
  else await Deno.writeTextFile(`${folder}/inside.conf`, "");
  const realAddress = "set_real_ip_from 127.0.0.1; real_ip_header X-Test-Address;";
  await Deno.writeTextFile(
    `${folder}/listen.conf`,
    `${addressByHeader ? realAddress : ""}\nlisten 127.0.0.1:${port};\n${
      shippedListen.replace("listen 8443", `listen 127.0.0.1:${tlsPort}`)
    }`,
  );
  const nginx = await startProcess({
    command: programOf("nginx", "nginx"),
    // As shipped it says nothing when all is well; here it says when it listens.
    args: [
      ...["-p", folder, "-e", "stderr", "-c", `${folder}/nginx.conf`],
      ...["-g", "daemon off; error_log stderr notice;"],
    ],
    readyLine: /start worker process \d+/,
  });
  return {
    url: `http://127.0.0.1:${port}`,
    tlsUrl: `https://localhost:${tlsPort}`,
    certificate,
    workerPids: [...nginx.output().matchAll(/start worker process (\d+)/g)].map(([, pid]) => Number(pid)),
    output: () => nginx.output(),
    // Its workers live in processes of their own, which its first process ends when it is asked to.
    [Symbol.asyncDispose]: async () => void await nginx.stop(STOP_GRACE_MS),
  };
}

/** The lines of the shipped file, for as many processes as there are. */
function serversFor(apis: readonly string[], shipped: string): string {
  const first = shipped.split("\n").filter((line) => line.startsWith("server api-1:8080"));
  const hosts = apis.map((url) => new URL(url).host);
  return first.flatMap((line) => hosts.map((host) => line.replace("api-1:8080", host))).join("\n");
}

async function makeCertificate(folder: string): Promise<string> {
  await Deno.mkdir(`${folder}/tls`);
  const [key, certificate] = [`${folder}/tls/key.pem`, `${folder}/tls/certificate.pem`];
  await runCommand("openssl", [
    ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"],
    ...["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
    ...["-addext", "basicConstraints=critical,CA:FALSE"], // an authority is no server, say Deno's TLS and others
    ...["-keyout", key, "-out", certificate],
  ], { deadlineMs: OPENSSL_DEADLINE_MS });
  return await Deno.readTextFile(certificate);
}
