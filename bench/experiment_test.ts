/** The command line of the experiments. */
import assert from "node:assert/strict";
import { readOptions } from "./experiment.ts";

const defaults = { systems: "holdfast,gin", seconds: 4, rounds: 3 };

Deno.test("bench: options have defaults, and numbers of an experiment are read by their names", () => {
  assert.deepEqual(
    readOptions(["--seconds=2", "--bound=10", "--telemetry"], defaults, { bound: 50, step: 2 }),
    {
      systems: ["holdfast", "gin"],
      seconds: 2,
      rounds: 3,
      telemetry: true,
      json: "",
      numbers: { bound: 10, step: 2 },
    },
  );
});

Deno.test("bench: a wrong option is refused with its name and value", () => {
  const wrong = (arg: string) => () => readOptions([arg], defaults, { bound: 50 });
  assert.throws(wrong("--systems=holdfast,other"), /--systems has 'other'/);
  assert.throws(wrong("--seconds=0"), /--seconds must be a number above 0: it is '0'/);
  assert.throws(wrong("--bound=many"), /--bound .*'many'/);
  assert.throws(wrong("--loud"), /--loud/);
});
