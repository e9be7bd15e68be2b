/** `deno task test:containers` on a machine whose dockerd does not start. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { engineProblem } from "./containers/engine.ts";
import { dataDir } from "../tools/servers/run_folder.ts";

Deno.test("test:containers: a dockerd that does not start fails the task, and is one line with --if-possible", async () => {
  const bin = await dataDir("bin");
  const dockerd = "#!/bin/sh\necho 'failed to start daemon: no address for a bridge' >&2\nexit 1\n";
  for (
    const [name, text] of [["dockerd", dockerd], ["docker", "#!/bin/sh\n"], ["iptables", "#!/bin/sh\n"], [
      "ip",
      "#!/bin/sh\n",
    ]]
  ) {
    await Deno.writeTextFile(`${bin}/${name}`, text ?? "", { mode: 0o755 });
  }
  const run = async (...flags: string[]) => {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", fileURLToPath(new URL("run.ts", import.meta.url)), "containers", ...flags],
      // A run of its own: with the variables of this one it would empty the servers of this one.
      clearEnv: true,
      env: { PATH: `${bin}:${Deno.env.get("PATH") ?? ""}`, HOME: Deno.env.get("HOME") ?? "", NO_COLOR: "1" },
    }).output();
    const decoder = new TextDecoder();
    return { code, out: decoder.decode(stdout), err: decoder.decode(stderr).trim().split("\n") };
  };
  const why = engineProblem() ?? "dockerd does not start: failed to start daemon: no address for a bridge";
  const possible = await run("--if-possible");
  assert.deepEqual([possible.code, possible.out], [0, ""]);
  assert.equal(possible.err.at(-1), `Cannot run containers here: ${why}`);
  const wanted = await run();
  assert.deepEqual([wanted.code, wanted.out], [1, "\n0 passed, 1 failed\n"]);
  assert.equal(wanted.err.at(-1), `Cannot run containers here: ${why}`);
});
