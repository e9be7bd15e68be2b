/**
 * What `deploy/` says to Prometheus, Grafana and the Collector is valid, and every alert fires when it must.
 */
import assert from "node:assert/strict";
import { runCommand } from "../../tools/servers/command.ts";
import { dataDir } from "../../tools/servers/run_folder.ts";
import { dashboards, readDashboard } from "./expressions.ts";
import { DEPLOY } from "./backends.ts";
import { backendProgram } from "./install.ts";

// promtool computes three days in 2 s on a quiet machine, and took more than a minute once on a loaded one.
const DEADLINE_MS = 240_000;
const promtool = (...args: string[]) =>
  runCommand(backendProgram("promtool"), args, { deadlineMs: DEADLINE_MS, cwd: `${DEPLOY}/prometheus` });

const GROUPS = ["objective", "objective_3d", "sale", "books", "shards", "processes", "servers"];
const SEVERITIES = ["page", "ticket", "info"];

Deno.test("Prometheus takes the configuration and the rules", async () => {
  assert.match(await promtool("check", "config", "prometheus.yml"), /prometheus\.yml is valid/);
});

for (const group of GROUPS) {
  Deno.test(`alerts in tests/${group}.yml fire when they must, and keep quiet when not`, async () => {
    assert.match(await promtool("test", "rules", `tests/${group}.yml`), /SUCCESS/);
  });
}

Deno.test("every alert has a test for both, a severity and a page of its own", async () => {
  const rules = (await Promise.all(
    ["alerts", "servers"].map((name) => Deno.readTextFile(`${DEPLOY}/prometheus/rules/${name}.yml`)),
  )).join("\n");
  const alerts = rules.split(/^ +- (?=alert: )/m).slice(1);
  const tests =
    (await Promise.all(GROUPS.map((group) => Deno.readTextFile(`${DEPLOY}/prometheus/tests/${group}.yml`))))
      .join("");
  assert.ok(alerts.length >= 20, `${alerts.length} alerts were found`);
  for (const text of alerts) {
    const name = /alert: (\w+)/.exec(text)?.[1] ?? "";
    assert.match(tests, new RegExp(`"${name} fires: `), name);
    assert.match(tests, new RegExp(`"${name} keeps quiet: `), name);
    assert.ok(SEVERITIES.some((severity) => text.includes(`severity: ${severity}\n`)), `severity of ${name}`);
    assert.ok(text.includes("summary: ") && text.includes("description: "), `words of ${name}`);
    const [, runbook = ""] = /runbook_url: docs\/operate\/(\w+)\.md\n/.exec(text) ?? [];
    const page = await Deno.readTextFile(`${DEPLOY}/../docs/operate/${runbook}.md`);
    assert.ok(page.includes(name), `${name} is not in its runbook`);
    for (const heading of [`# ${runbook}`, "## What it means", "## Look first", "## Do"]) {
      assert.ok(page.includes(`${heading}\n`), `${heading} of ${name}`);
    }
  }
});

for (const files of [["config.yaml"], ["config.yaml", "tail-sampling.yaml"]]) {
  Deno.test(`the Collector takes ${files.join(" with ")}`, async () => {
    const configs = files.flatMap((file) => ["--config", `${DEPLOY}/otel-collector/${file}`]);
    await runCommand(backendProgram("otelcol"), ["validate", ...configs], { deadlineMs: DEADLINE_MS });
  });
}

Deno.test("Jaeger and Loki take their configuration", async () => {
  const folder = await dataDir("validate");
  await runCommand(backendProgram("jaeger"), ["validate", "--config", `${DEPLOY}/jaeger/config.yaml`], {
    deadlineMs: DEADLINE_MS,
  });
  await runCommand(
    backendProgram("loki"),
    [`-config.file=${DEPLOY}/loki/loki.yaml`, "-config.expand-env=true", "-verify-config=true"],
    { deadlineMs: DEADLINE_MS, env: { LOKI_DATA: folder } },
  );
});

for (const name of dashboards()) {
  Deno.test(`dashboard ${name}: ids are unique, nothing overlaps, every panel says what it shows`, () => {
    const { uid, id, panels } = readDashboard(name);
    assert.match(uid, /^holdfast-/);
    assert.equal(id, null, "an id belongs to one Grafana");
    const ids = panels.map((panel) => panel.id);
    assert.equal(new Set(ids).size, ids.length, "panel ids");
    const cells = new Set<string>();
    for (const { type, title, description, fieldConfig, gridPos, targets = [] } of panels) {
      const { x, y, w, h } = gridPos as Record<"x" | "y" | "w" | "h", number>;
      assert.ok(x + w <= 24, `${title} is wider than the page`);
      for (let cell = 0; cell < w * h; cell++) {
        const place = `${x + cell % w},${y + Math.floor(cell / w)}`;
        assert.ok(!cells.has(place), `${title} lies on another panel`);
        cells.add(place);
      }
      if (type === "row") continue;
      assert.ok(description, `${title} has no description`);
      assert.ok(targets.length > 0, `${title} asks nothing`);
      for (const { datasource } of targets) assert.match(datasource.uid, /^(prometheus|loki)$/, title);
      if (type === "logs") continue;
      const { defaults } = fieldConfig as { readonly defaults: { readonly unit?: string } };
      assert.ok(defaults.unit, `${title} has no unit`);
    }
  });
}

Deno.test("dashboards and links name data sources that are provisioned", async () => {
  const sources = await Deno.readTextFile(`${DEPLOY}/grafana/provisioning/datasources/datasources.yaml`);
  const uids = [...sources.matchAll(/^ {4}uid: (\w+)$/gm)].map(([, uid]) => uid);
  assert.deepEqual(uids, ["prometheus", "jaeger", "loki"]);
  for (const [, uid = ""] of sources.matchAll(/datasourceUid: (\w+)/g)) assert.ok(uids.includes(uid), uid);
});
