// Mounts that only this thread sees, for trees that cannot be read as they lie on disk. The thread has its own mount namespace, a slave
// of the host's: nothing shows up in the host's mount table, nothing is left when the thread ends, and what the host unmounts goes
// here as well (mount_namespaces(7)).
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MNT_DETACH, MS, mount, umount } from '@berth/sys/mount';
import { CLONE, unshare } from '@berth/sys/namespace';
import type { Mount } from '../snapshots/snapshotter.ts';

const FLAGS: Record<string, number> = {
  ro: MS.RDONLY,
  nosuid: MS.NOSUID,
  nodev: MS.NODEV,
  noexec: MS.NOEXEC,
  bind: MS.BIND,
  rbind: MS.BIND | MS.REC,
  rw: 0,
  defaults: 0,
};

let separated = false;

/** A directory: itself, or where its mounts are until this is disposed of. */
export class MountedTree implements Disposable {
  readonly path: string;
  readonly #target: string | undefined;

  constructor(tree: string | readonly Mount[]) {
    if (typeof tree === 'string') {
      this.path = tree;
      return;
    }
    if (!separated) {
      unshare(CLONE.NEWNS);
      mount(null, '/', null, MS.REC | MS.SLAVE);
      separated = true;
    }
    const target = mkdtempSync(join(tmpdir(), 'berth-diff-'));
    this.path = target;
    this.#target = target;
    try {
      for (const part of tree) attach(part, part.target ? join(target, part.target) : target);
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  [Symbol.dispose](): void {
    if (this.#target === undefined) return;
    try {
      umount(this.#target, MNT_DETACH);
    } catch {
      // Not mounted: the first mount failed.
    }
    rmdirSync(this.#target);
  }
}

function attach({ type, source, options }: Mount, target: string): void {
  let flags = 0;
  const data: string[] = [];
  for (const option of options) {
    const flag = FLAGS[option];
    if (flag === undefined) data.push(option);
    else flags |= flag;
  }
  if (type === 'bind') flags |= MS.BIND;
  const bind = (flags & MS.BIND) !== 0;
  // A bind mount takes its other flags in a second step (mount(2)).
  mount(source, target, bind ? null : type, bind ? flags & (MS.BIND | MS.REC) : flags, data.join(',') || null);
  if (bind && flags & ~(MS.BIND | MS.REC)) mount(null, target, null, (flags & ~MS.REC) | MS.REMOUNT);
}
