/**
 * One process a folder, by a lock of the operating system: it ends with the process, however that ends,
 * so a file that remains locks no process out.
 *
 * @module
 */

import { dirname, resolve } from "node:path";

/** A folder that this process has for itself. */
export interface FolderLock {
  /** Lets others in. */
  release(): void;
}

/** @throws {RangeError} when the folder cannot be made or written */
async function openLockFile(folder: string): Promise<Deno.FsFile> {
  try {
    await Deno.mkdir(folder, { recursive: true });
    await syncParent(folder);
    return await Deno.open(`${folder}/holdfast.lock`, { create: true, write: true });
  } catch (cause) {
    throw new RangeError(
      `Cannot use DATA_DIR '${folder}' as it cannot be made or written: set DATA_DIR to a folder of this user, or run ` +
        `'mkdir -p ${folder} && chown "$(id -u)" ${folder}'`,
      { cause },
    );
  }
}

/** Otherwise a power cut could take a new folder away, with all that is fsynced in it. SQLite syncs the folder itself. */
async function syncParent(folder: string): Promise<void> {
  try {
    using parent = await Deno.open(dirname(resolve(folder)));
    await parent.sync();
  } catch {
    // A parent that this user may not read was not made by this process; Windows opens no folders.
  }
}

/**
 * Takes a folder, which is made when missing.
 *
 * @throws {RangeError} when it cannot be made or written
 * @throws {Deno.errors.Busy} when another process uses it
 */
export async function lockFolder(folder: string): Promise<FolderLock> {
  const file = await openLockFile(folder);
  // Deno 2.5 has no such method, and waiting for a lock would hide that another process has it.
  if (typeof file.tryLock !== "function") {
    file.close();
    throw new RangeError(
      `Cannot use the embedded default on Deno ${Deno.version.deno} as it cannot lock DATA_DIR: run 'deno upgrade'`,
    );
  }
  const exclusive = true;
  if (!await file.tryLock(exclusive)) {
    file.close();
    throw new Deno.errors.Busy(`Cannot open DATA_DIR '${folder}' as another Holdfast process uses it`);
  }
  return { release: () => file.close() };
}
