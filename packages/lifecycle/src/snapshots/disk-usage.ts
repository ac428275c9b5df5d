// What a directory takes on disk: allocated blocks and inodes, hard links counted once (as `du` counts).
import { lstat, opendir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Usage } from './snapshotter.ts';

/** The unit of st_blocks, whatever the filesystem's block size (stat(2)). */
const BLOCK = 512;

export async function diskUsage(directory: string, options: { signal?: AbortSignal } = {}): Promise<Usage> {
  const seen = new Set<string>();
  const usage: Usage = { inodes: 0, size: 0 };
  const pending = [directory];
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    options.signal?.throwIfAborted();
    const stat = await lstat(path).catch(() => undefined);
    if (!stat) continue;
    if (stat.nlink > 1 && !stat.isDirectory()) {
      const inode = `${stat.dev}:${stat.ino}`;
      if (seen.has(inode)) continue;
      seen.add(inode);
    }
    usage.inodes++;
    usage.size += stat.blocks * BLOCK;
    if (!stat.isDirectory()) continue;
    for await (const entry of await opendir(path)) pending.push(join(path, entry.name));
  }
  return usage;
}
