/**
 * One process a folder, by a lock of the operating system: it ends with the process, however that ends,
 * so a file left behind locks nobody out.
 *
 * @module
 */

/** A folder that this process has for itself. */
export interface FolderLock {
  /** Lets others in. */
  release(): void;
}

/**
 * Takes a folder, which is made when missing.
 *
 * @throws {Deno.errors.Busy} when another process uses it
 */
export async function lockFolder(folder: string): Promise<FolderLock> {
  await Deno.mkdir(folder, { recursive: true });
  const file = await Deno.open(`${folder}/holdfast.lock`, { create: true, write: true });
  const exclusive = true;
  if (!await file.tryLock(exclusive)) {
    file.close();
    throw new Deno.errors.Busy(`Cannot open DATA_DIR '${folder}' as another Holdfast process uses it`);
  }
  return { release: () => file.close() };
}
