// How the collector deletes beside a serving registry without a lock between the two processes. Deleting is a rename into trash/,
// a look at the file's age there, and an unlink. Using a file is a touch, and a rename back when it is in trash/. Whichever of the
// two renames comes first, a file that was touched after the collector began is never lost:
//   touch, rename, look → the collector sees the new age and puts the file back;
//   rename, touch       → the user finds it in trash/ and puts it back; the collector's unlink then finds nothing.
import { mkdir, readdir, rename, stat, utimes } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { isMissing, linkFile, removeFile } from './durable.ts';
import type { Layout } from './layout.ts';

export class Trash {
  readonly #layout: Layout;

  constructor(layout: Layout) {
    this.#layout = layout;
  }

  /** Marks a file as used now. False when there is no such file. */
  async touch(path: string): Promise<boolean> {
    const now = new Date();
    for (let attempt = 0; attempt < 2; attempt++) {
      try {
        await utimes(path, now, now);
        return true;
      } catch (error) {
        if (!isMissing(error)) throw error;
      }
      if (!(await this.restore(path))) return false;
    }
    return false;
  }

  /** Takes a file back that a collector is about to delete. False when it is not in the trash. */
  async restore(path: string): Promise<boolean> {
    const discarded = this.#place(path);
    try {
      // Before the rename: the collector may look at any moment.
      await utimes(discarded, new Date(), new Date());
      await rename(discarded, path);
      return true;
    } catch (error) {
      if (isMissing(error)) return false;
      throw error;
    }
  }

  /** Deletes a file unless it was touched since `cutoff` (milliseconds since 1970). True when it is gone. */
  async discard(path: string, cutoff: number): Promise<boolean> {
    const discarded = this.#place(path);
    await mkdir(dirname(discarded), { recursive: true });
    try {
      await rename(path, discarded);
      if ((await stat(discarded)).mtimeMs < cutoff) return await removeFile(discarded);
      await linkFile(discarded, path);
      await removeFile(discarded);
      return false;
    } catch (error) {
      if (isMissing(error)) return false;
      throw error;
    }
  }

  /** Puts back what a collector left that died between its rename and its decision. */
  async recover(): Promise<void> {
    for (const entry of await readdir(this.#layout.trash, { withFileTypes: true, recursive: true })) {
      if (!entry.isFile()) continue;
      const discarded = join(entry.parentPath, entry.name);
      await linkFile(discarded, join(this.#layout.root, relative(this.#layout.trash, discarded))).catch((error: unknown) => {
        if (!isMissing(error)) throw error;
      });
      await removeFile(discarded);
    }
  }

  #place(path: string): string {
    return join(this.#layout.trash, relative(this.#layout.root, path));
  }
}
