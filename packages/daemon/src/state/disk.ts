// How much room a directory takes.
import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** Bytes of all files below; a file with several names counts once. Symbolic links are not followed. */
export function directorySize(root: string): number {
  const seen = new Set<bigint>();
  let bytes = 0;
  const walk = (directory: string): void => {
    let entries: ReturnType<typeof readEntries>;
    try {
      entries = readEntries(directory);
    } catch {
      // Containers come and go while we look.
      return;
    }
    for (const entry of entries) {
      const path = join(directory, entry.name);
      if (entry.isDirectory()) {
        walk(path);
        continue;
      }
      const stats = lstatSync(path, { bigint: true, throwIfNoEntry: false });
      if (!stats || seen.has(stats.ino)) continue;
      if (stats.nlink > 1n) seen.add(stats.ino);
      bytes += Number(stats.size);
    }
  };
  walk(root);
  return bytes;
}

function readEntries(directory: string) {
  return readdirSync(directory, { withFileTypes: true });
}
