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

  async fill(directory: string, parents: readonly string[]): Promise<void> {
    if (parents[0] !== undefined) await this.#copy(parents[0], directory);
  }

  mounts(directory: string, kind: 'active' | 'view'): Mount[] {
    return [{ type: 'bind', source: directory, options: ['rbind', kind === 'view' ? 'ro' : 'rw'] }];
  }

  ownFiles(directory: string): string {
    return directory;
  }
}
