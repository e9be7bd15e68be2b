/**
 * Disks of a test's own, which need root: one that is small, and one whose power can be cut.
 *
 * @module
 */
import { runCommand } from "./command.ts";
import { dataDir } from "./run_folder.ts";

const mountDeadlineMs = 10_000;

/** A mounted disk. Disposing of it unmounts it, whatever uses it. */
export interface Disk extends AsyncDisposable {
  /** Where it is mounted. */
  readonly folder: string;
}

async function mounted(folder: string, args: readonly string[]): Promise<Disk> {
  await runCommand("mount", [...args, folder], { deadlineMs: mountDeadlineMs });
  return {
    folder,
    async [Symbol.asyncDispose]() {
      await runCommand("umount", ["--lazy", folder], { deadlineMs: mountDeadlineMs });
    },
  };
}

/** A disk in memory. */
export async function memoryDisk(kib: number): Promise<Disk> {
  return await mounted(await dataDir("disk"), ["-t", "tmpfs", "-o", `size=${kib}k`, "tmpfs"]);
}

/** Mounts a disk again with other options, such as `ro` or `size=64m`. */
export async function remount({ folder }: Disk, options: string): Promise<void> {
  await runCommand("mount", ["-o", `remount,${options}`, folder], { deadlineMs: mountDeadlineMs });
}

/** A disk (ext4) on a loop device. What the file system has not written to the device yet is not in its image. */
export interface BlockDisk extends Disk {
  /**
   * What a power cut at this moment would leave: a disk with a copy of the image. What was not fsynced is missing, unless
   * the kernel wrote it by itself.
   */
  cutPower(): Promise<Disk>;
}

/** Makes one. The kernel writes by itself every 5 s and what is older than 30 s: a test that is faster sees fsyncs only. */
export async function blockDisk(mib: number): Promise<BlockDisk> {
  const image = `${await dataDir("disk-image")}/image`;
  await runCommand("truncate", ["--size", `${mib}M`, image], { deadlineMs: mountDeadlineMs });
  await runCommand("mkfs.ext4", ["-q", "-F", image], { deadlineMs: mountDeadlineMs });
  const disk = await mounted(await dataDir("disk"), ["-o", "loop,commit=300", image]);
  let cuts = 0;
  return {
    ...disk,
    async cutPower() {
      const copy = `${image}-${++cuts}`;
      await runCommand("cp", ["--sparse=always", image, copy], { deadlineMs: mountDeadlineMs });
      return await mounted(await dataDir("disk"), ["-o", "loop", copy]);
    },
  };
}
