/**
 * Kafka as its own project publishes it: jars in Maven Central, and Java to run them. No package of Debian holds it.
 *
 * @module
 */
import { dirname, join } from "node:path";
import { runCommand } from "./command.ts";

const VERSION = "4.4.0";
const LOGGER_VERSION = "1.7.36";
const COPY_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies";

// 11 s with 43 MB of jars on a fast line.
const DOWNLOAD_DEADLINE_MS = 600_000;
const PROBE_DEADLINE_MS = 60_000;

const REPOSITORY = join(import.meta.dirname ?? ".", "..", "..");

/** The jar of the broker; the others are in the same folder. */
export const KAFKA_JAR: string = `kafka_2.13-${VERSION}.jar`;

/** What to type where it cannot be installed. */
export const KAFKA_BY_HAND = "sudo apt-get install -y maven openjdk-17-jre-headless";

/** In the user's cache, where every clone finds it, or in this one. */
export function KAFKA_FOLDERS(): string[] {
  return [cacheFolder(), join(REPOSITORY, ".servers", `kafka-${VERSION}`)];
}

/** Downloads the jars; `installPackages` gets Java and Maven when they are missing. */
export async function installKafka(
  installPackages: (packages: readonly string[]) => Promise<void>,
): Promise<void> {
  if (!await runs("mvn", "--version")) await installPackages(["maven", "openjdk-17-jre-headless"]);
  // Into a folder of its own and moved when complete: a run that is interrupted leaves no half server.
  const target = cacheFolder();
  await Deno.mkdir(dirname(target), { recursive: true });
  const unfinished = await Deno.makeTempDir({ dir: dirname(target), prefix: "unfinished-" });
  try {
    await Deno.writeTextFile(join(unfinished, "pom.xml"), POM);
    await runCommand("mvn", [
      ...["--batch-mode", "--quiet", "--file", join(unfinished, "pom.xml"), COPY_PLUGIN],
      ...["-DincludeScope=runtime", `-DoutputDirectory=${join(unfinished, "lib")}`],
    ], { deadlineMs: DOWNLOAD_DEADLINE_MS });
    await Deno.remove(target, { recursive: true }).catch(() => {}); // an older, incomplete one
    await Deno.rename(join(unfinished, "lib"), target);
  } finally {
    await Deno.remove(unfinished, { recursive: true });
  }
}

function cacheFolder(): string {
  const home = Deno.env.get("XDG_CACHE_HOME") || join(Deno.env.get("HOME") ?? "/root", ".cache");
  return join(home, "holdfast", `kafka-${VERSION}`);
}

function runs(command: string, ...args: string[]): Promise<boolean> {
  return runCommand(command, args, { deadlineMs: PROBE_DEADLINE_MS }).then(() => true, () => false);
}

const POM = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>holdfast</groupId><artifactId>kafka</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>${VERSION}</version>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>${LOGGER_VERSION}</version>
    </dependency>
  </dependencies>
</project>
`;
