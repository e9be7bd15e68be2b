/**
 * Stand-ins for the images that `compose.yaml` names, under the same names: one root file system of Debian's packages,
 * and the programs that the other tests use. They have the users, folders and entry points of the real images as far as
 * compose.yaml relies on them. Telemetry is an HTTP server that answers the health checks.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import { runCommand } from "../../tools/servers/command.ts";
import { installServers, programOf } from "../../tools/servers/install.ts";
import { KAFKA_JAR } from "../../tools/servers/install_kafka.ts";
import { dataDir } from "../../tools/servers/run_folder.ts";
import { containersCache, type Engine } from "./engine.ts";

const PACKAGES = [
  ...["ca-certificates", "curl", "netcat-openbsd", "busybox-static", "openssl"],
  ...["nginx-light", "postgresql", "openjdk-17-jre-headless", "redis-tools"],
];
const LOCK = join(import.meta.dirname ?? ".", "..", "..", "deno.lock");
const SUITE = "bookworm";
const DEADLINE_MS = 60 * 60_000;

/** What a stand-in is made of, on top of the root file system. */
interface StandIn {
  readonly lines: readonly string[];
  /** Files of this machine, by their names in the build's folder. */
  readonly files?: Readonly<Record<string, string>>;
  /** Scripts, by their names in the build's folder. */
  readonly scripts?: Readonly<Record<string, string>>;
}

const POSTGRES_ENTRY = `#!/bin/sh
set -eu
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  printf %s "$POSTGRES_PASSWORD" > /tmp/password
  initdb -D "$PGDATA" -U postgres --pwfile=/tmp/password --encoding=UTF8 --locale=C.UTF-8 --auth-local=trust --auth-host=scram-sha-256 > /dev/null
  rm /tmp/password
  echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
  echo "listen_addresses = '*'" >> "$PGDATA/postgresql.conf"
  pg_ctl -D "$PGDATA" -o "-c listen_addresses=''" -w start > /dev/null
  psql -U postgres -d postgres -qc "create database $POSTGRES_DB"
  for file in /docker-entrypoint-initdb.d/*.sql; do
    psql -v ON_ERROR_STOP=1 --no-psqlrc -U postgres -d "$POSTGRES_DB" -q -f "$file"
  done
  pg_ctl -D "$PGDATA" -m fast -w stop > /dev/null
fi
exec "$@"
`;

const KAFKA_ENTRY = `#!/bin/sh
set -eu
cd /opt/kafka
env | grep '^KAFKA_' | grep -v '^KAFKA_HEAP_OPTS=' | while IFS='=' read -r name value; do
  echo "$(echo "\${name#KAFKA_}" | tr 'A-Z_' 'a-z.')=$value"
done > config/server.properties
date > logs/started
run() { java $KAFKA_HEAP_OPTS -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp '/opt/kafka/libs/*' "$@"; }
run kafka.tools.StorageTool format -t MkU3OEVBNTcwNTJENDM2Qk -c config/server.properties --ignore-formatted
exec java $KAFKA_HEAP_OPTS -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp '/opt/kafka/libs/*' kafka.Kafka config/server.properties
`;

const DENO_ENTRY = `#!/bin/sh
case "$1" in deno | sh) exec "$@" ;; *) exec deno "$@" ;; esac
`;

const VALKEY_WRAPPER = `#!/bin/sh
exec /usr/local/bin/valkey-server.real "$@" --protected-mode no
`;

/** A server that answers health checks on `port`, whatever its arguments are. */
function healthy(port: number, ...paths: readonly string[]): StandIn {
  return {
    lines: [
      ...["", ...paths].map((path) =>
        `RUN mkdir -p $(dirname /www/${path}x) && touch /www/${path || "index.html"}`
      ),
      "RUN ln -sf /bin/busybox /usr/bin/wget",
      `ENTRYPOINT ["sh", "-c", "exec busybox httpd -f -p ${port} -h /www"]`,
    ],
  };
}

async function standIns(): Promise<Readonly<Record<string, StandIn>>> {
  const info = JSON.parse(await runCommand(Deno.execPath(), ["info", "--json"], { deadlineMs: 30_000 }));
  return {
    "busybox:1.37.0-musl": { lines: [] },
    "denoland/deno:2.9.6": {
      // With the packages that this machine has, so that the image is built without a network.
      files: {
        deno: Deno.execPath(),
        npm: info.npmCache,
        tini: await initProgram(),
      },
      scripts: { "docker-entrypoint.sh": DENO_ENTRY },
      lines: [
        "RUN useradd --uid 1993 --user-group deno && mkdir /deno-dir && chown deno:deno /deno-dir",
        "COPY deno /usr/bin/deno",
        "COPY tini /tini",
        "COPY docker-entrypoint.sh /usr/local/bin/docker-entrypoint.sh",
        "COPY npm /deno-dir/npm",
        `# packages of deno.lock ${sha(await Deno.readTextFile(LOCK))}`,
        "ENV DENO_DIR=/deno-dir/",
        'ENTRYPOINT ["/tini", "--", "docker-entrypoint.sh"]',
      ],
    },
    "valkey/valkey:9.1.2": {
      files: { "valkey-server.real": programOf("valkey", "valkey-server") },
      scripts: { "valkey-server": VALKEY_WRAPPER },
      lines: [
        "RUN groupadd -r -g 999 valkey && useradd -r -g valkey -u 999 valkey",
        "COPY valkey-server.real valkey-server /usr/local/bin/",
        "RUN ln -s /usr/bin/redis-cli /usr/local/bin/valkey-cli && mkdir /data && chown valkey:valkey /data",
        "VOLUME /data",
        "WORKDIR /data",
      ],
    },
    "postgres:17.6-bookworm": {
      scripts: { "docker-entrypoint.sh": POSTGRES_ENTRY },
      lines: [
        // The numbers of the image's user.
        "RUN groupmod -g 999 postgres && usermod -u 999 postgres && chown postgres:postgres /var/run/postgresql",
        "ENV PGDATA=/var/lib/postgresql/data",
        "ENV PATH=/usr/lib/postgresql/15/bin:/usr/bin:/bin",
        "RUN rm -rf /var/lib/postgresql/* && mkdir -p $PGDATA && chown postgres:postgres $PGDATA && chmod 1777 $PGDATA",
        "COPY docker-entrypoint.sh /usr/local/bin/docker-entrypoint.sh",
        "VOLUME /var/lib/postgresql/data",
        'ENTRYPOINT ["/usr/local/bin/docker-entrypoint.sh"]',
      ],
    },
    "apache/kafka:4.3.1": {
      files: { libs: dirname(programOf("kafka", KAFKA_JAR)) },
      scripts: { run: KAFKA_ENTRY },
      lines: [
        "RUN useradd appuser && mkdir -p /opt/kafka/config /opt/kafka/logs /var/lib/kafka/data",
        "RUN chown -R appuser:appuser /opt/kafka /var/lib/kafka",
        "COPY libs /opt/kafka/libs",
        "COPY run /etc/kafka/docker/run",
        "USER appuser",
        "VOLUME /var/lib/kafka/data",
        'CMD ["/etc/kafka/docker/run"]',
      ],
    },
    "nginx:1.28.0-bookworm": { lines: [] },
    "otel/opentelemetry-collector-contrib:0.155.0": healthy(13133),
    "jaegertracing/jaeger:2.20.0": healthy(13133, "status"),
    "prom/prometheus:v3.13.0": healthy(9090, "-/ready"),
    "grafana/loki:3.7.8": healthy(3100, "ready"),
    "grafana/grafana:12.1.0": healthy(3000, "api/health"),
  };
}

/** Makes the images that the engine does not have yet; an image is made again when its recipe changes. */
export async function makeStandIns(engine: Engine, report: (line: string) => void): Promise<void> {
  await installServers(["valkey", "kafka", "debootstrap"], report);
  const base = await makeBase(engine, report);
  for (const [image, standIn] of Object.entries(await standIns())) {
    const made = await engine.docker("image", "inspect", "--format", "{{.Config.Labels.recipe}}", image)
      .catch(() => "");
    const recipe = sha(JSON.stringify([base, standIn]));
    if (made.trim() === recipe) continue;
    report(`Making a stand-in for ${image}`);
    await build(engine, image, { base, recipe }, standIn);
  }
}

async function build(
  engine: Engine,
  image: string,
  { base, recipe }: { readonly base: string; readonly recipe: string },
  { lines, files = {}, scripts = {} }: StandIn,
): Promise<void> {
  const folder = await dataDir("stand-in");
  try {
    for (const [name, path] of Object.entries(files)) {
      await runCommand("cp", ["-rL", path, `${folder}/${name}`], { deadlineMs: DEADLINE_MS });
    }
    for (const [name, text] of Object.entries(scripts)) {
      await Deno.writeTextFile(`${folder}/${name}`, text, { mode: 0o755 });
    }
    const dockerfile = [`FROM ${base}`, `LABEL recipe=${recipe}`, ...lines, ""].join("\n");
    await Deno.writeTextFile(`${folder}/Dockerfile`, dockerfile);
    await engine.docker("build", "--quiet", "--network", "none", "--tag", image, folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** One root file system for all: it is made once, and takes minutes. */
async function makeBase(engine: Engine, report: (line: string) => void): Promise<string> {
  const image = `holdfast-stand-in/${SUITE}:${sha(PACKAGES.join()).slice(0, 12)}`;
  if (await engine.docker("image", "inspect", image).then(() => true, () => false)) return image;
  report(`Making a root file system of Debian's packages, which takes minutes the first time`);
  const folder = await Deno.makeTempDir({ dir: containersCache(), prefix: "unfinished-" });
  try {
    const args = ["--variant=minbase", `--include=${PACKAGES.join()}`, SUITE, folder];
    const program = programOf("debootstrap", "debootstrap");
    await runCommand("nice", ["-n", "10", program, ...args], { deadlineMs: DEADLINE_MS });
    await runCommand("tar", ["-C", folder, "-cf", `${folder}.tar`, "."], { deadlineMs: DEADLINE_MS });
    await engine.docker("import", `${folder}.tar`, image);
    return image;
  } finally {
    await Deno.remove(`${folder}.tar`).catch(() => {});
    await Deno.remove(folder, { recursive: true });
  }
}

/** tini, as Debian's docker.io brings it. */
async function initProgram(): Promise<string> {
  for (const path of ["/usr/bin/docker-init", "/usr/libexec/docker/docker-init", "/usr/sbin/docker-init"]) {
    if (await Deno.stat(path).then(() => true, () => false)) return path;
  }
  throw new Error("Cannot find docker-init, which Debian's docker.io has");
}

function sha(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
