/**
 * The scripts do what the transcripts say, in each key: `WRITE_TRANSCRIPTS=1` writes them anew, to be read.
 */
import assert from "node:assert/strict";
import { readScript } from "../../src/redis/script.ts";
import { sharedRedis } from "../../tools/servers/shared.ts";
import { makeRedisStore } from "./stores.ts";
import { play } from "./transcript.ts";

const folder = new URL("transcripts/", import.meta.url);
const names = [...Deno.readDirSync(folder)].map(({ name }) => name).sort();

for (const flavour of ["redis", "valkey"] as const) {
  for (const name of names) {
    Deno.test(`${flavour}: the keys are as the transcript ${name} says`, async () => {
      await using under = await makeRedisStore(sharedRedis(flavour).url);
      const file = new URL(name, folder);
      const text = await Deno.readTextFile(file);
      const { call, namespace } = under;
      const played = await play(text, { call, namespace, script: readScript });
      if (flavour === "redis" && Deno.env.get("WRITE_TRANSCRIPTS") === "1") {
        await Deno.writeTextFile(file, played);
      } else assert.equal(played, text);
    });
  }
}
