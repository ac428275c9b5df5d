// Snapshots as overlayfs layers: each has `fs` (its own files) and, while active, `work`; a mount stacks the `fs` of its ancestors
// below. Nothing is mounted here. Mount options are containerd's own, so that its clients and shims take them unchanged
// (Documentation/filesystems/overlayfs.rst for their meaning).
import { chmodSync, chownSync, existsSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { DirectoryMechanism } from './directory-snapshotter.ts';
import type { Mount } from './snapshotter.ts';

export class OverlayMechanism implements DirectoryMechanism {
  readonly name = 'overlayfs';
  readonly rebases = true;
  /** Options of every overlay mount, after the directories. */
  readonly #options: string[];

  /** `userxattr` is for rootless daemons, who may not write trusted.* attributes (kernel 5.11). */
  constructor(options: { userxattr?: boolean; mountOptions?: readonly string[] } = {}) {
    this.#options = [
      // The index is for NFS export; with it, an upper directory that was once mounted elsewhere is refused.
      ...(existsSync('/sys/module/overlay/parameters/index') ? ['index=off'] : []),
      ...(options.userxattr ? ['userxattr'] : []),
      ...(options.mountOptions ?? []),
    ];
  }

  create(directory: string, kind: 'active' | 'view', parents: readonly string[], owner?: { uid: number; gid: number }): void {
    mkdirSync(directory, { mode: 0o700 });
    const files = this.ownFiles(directory);
    mkdirSync(files, { mode: 0o755 });
    if (kind === 'active') mkdirSync(join(directory, 'work'), { mode: 0o711 });
    // The root of the stack is the upper directory: it has to look as the uppermost layer's root does.
    if (parents[0] === undefined) chmodSync(files, 0o755);
    else {
      const { mode, ...parent } = statSync(this.ownFiles(parents[0]));
      const { uid, gid } = owner ?? parent;
      if (uid !== 0 || gid !== 0) chownSync(files, uid, gid);
      chmodSync(files, mode & 0o7777);
    }
  }

  mounts(directory: string, kind: 'active' | 'view', parents: readonly string[]): Mount[] {
    if (parents.length === 0) return [bind(this.ownFiles(directory), kind === 'view' ? 'ro' : 'rw')];
    if (kind === 'view' && parents.length === 1) return [bind(this.ownFiles(parents[0] as string), 'ro')];
    const writable = kind === 'active' ? [`workdir=${join(directory, 'work')}`, `upperdir=${this.ownFiles(directory)}`] : [];
    const lower = `lowerdir=${parents.map((parent) => this.ownFiles(parent)).join(':')}`;
    return [{ type: 'overlay', source: 'overlay', options: [...writable, lower, ...this.#options] }];
  }

  ownFiles(directory: string): string {
    return join(directory, 'fs');
  }
}

function bind(source: string, access: 'ro' | 'rw'): Mount {
  return { type: 'bind', source, options: [access, 'rbind'] };
}
