// Snapshots as plain directories, each a whole copy of its parent: for filesystems that overlayfs cannot stand on. Files are
// cloned where the filesystem can (FICLONE on xfs, btrfs), so that there a copy costs no space.
import { mkdirSync } from 'node:fs';
import type { TreeCopier } from './copy-tree.ts';
import type { DirectoryMechanism } from './directory-snapshotter.ts';
import type { Mount } from './snapshotter.ts';

export class NativeMechanism implements DirectoryMechanism {
  readonly name = 'native';
  readonly rebases = false;
  readonly #copy: TreeCopier;

  constructor(copy: TreeCopier) {
    this.#copy = copy;
  }

  create(directory: string): void {
    mkdirSync(directory, { mode: 0o755 });
  }

  async fill(directory: string, kind: 'active' | 'view', parents: readonly string[]): Promise<void> {
    // A view needs no copy: what is committed never changes, and it is mounted for reading.
    if (kind === 'active' && parents[0] !== undefined) await this.#copy(parents[0], directory);
  }

  mounts(directory: string, kind: 'active' | 'view', parents: readonly string[]): Mount[] {
    if (kind === 'active') return [{ type: 'bind', source: directory, options: ['rbind', 'rw'] }];
    return [{ type: 'bind', source: parents[0] ?? directory, options: ['rbind', 'ro'] }];
  }

  ownFiles(directory: string): string {
    return directory;
  }
}
