/** What the documents tell a reader to run is run: README's order by curl and by the client, and the client's own README. */
import assert from "node:assert/strict";
import { runCommand } from "../../tools/servers/command.ts";
import { Service } from "./stack.ts";

const ROOT = new URL("../../", import.meta.url);
const RUN_DEADLINE_MS = 60_000;

/** The texts of fenced blocks of one language, in order. */
async function blocksOf(document: string, language: string): Promise<string[]> {
  const text = await Deno.readTextFile(new URL(document, ROOT));
  const fence = new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, "gm");
  return [...text.matchAll(fence)].map(([, body = ""]) => body);
}

/** Commands of a console block with what each prints: a command begins with `$`, and `\` continues it. */
function commandsOf(block: string): { readonly command: string; readonly output: string }[] {
  return block.split(/^\$ /m).slice(1).map((part) => {
    const lines = part.split("\n");
    const end = lines.findIndex((line) => !line.endsWith("\\")) + 1;
    return { command: lines.slice(0, end).join("\n"), output: lines.slice(end).join("\n").trim() };
  });
}

async function runSnippet(code: string, url: string, folder: string): Promise<string> {
  const file = `${folder}/snippet.ts`;
  const client = new URL("client/src/mod.ts", ROOT).href;
  const here = code.replace("http://127.0.0.1:8080", url).replace("https://stock.internal", url)
    .replace(/"(?:\.\/client\/src\/mod\.ts|@holdfast\/client)"/, `"${client}"`);
  await Deno.writeTextFile(file, here);
  const args = ["run", "--allow-net", "--allow-env", "--config", new URL("deno.json", ROOT).pathname, file];
  return await runCommand(Deno.execPath(), args, { deadlineMs: RUN_DEADLINE_MS });
}

Deno.test("snippets: README's curl sells as it is printed, and the clients of both documents buy", async () => {
  const folder = await Deno.makeTempDir({ prefix: "holdfast-snippets-" });
  try {
    await using api = await Service.start("api", { DATA_DIR: folder });
    await api.ready(30_000);
    const buying = (await blocksOf("README.md", "console")).flatMap(commandsOf)
      .filter(({ command }) => command.includes("/inventory/deduct"));
    assert.equal(buying.length, 1, "README has one curl that buys");
    for (const { command, output } of buying) {
      const here = command.replace("http://127.0.0.1:8080", api.url);
      const printed = await runCommand("bash", ["-c", here], { deadlineMs: RUN_DEADLINE_MS });
      assert.deepEqual(JSON.parse(printed), JSON.parse(output));
    }
    const [readme = ""] = await blocksOf("README.md", "ts");
    assert.match(await runSnippet(readme, api.url, folder), /^Sold; 998 units are left$/m);
    const [own = ""] = await blocksOf("client/README.md", "ts");
    assert.match(await runSnippet(own, api.url, folder), /^Sold, 997 left$/m);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
