// Looking into a container's root file system: through its process while it runs, through an overlay without a place otherwise.
// Paths are resolved by the kernel inside that root (openat2), never by string.
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { EngineError } from '@berth/errdefs/engine-error';
import type { Mount } from '@berth/rpc/gen/containerd/types/mount';
import { type Detached, detachedOverlay, heldDescriptor } from '@berth/sys/detached-mount';
import { errno, errnoName, sysError } from '@berth/sys/libc';
import { O, tryOpenInRoot } from '@berth/sys/path';
import type { Container } from './container.ts';
import { type Accounts, parseAccounts } from './spec/users.ts';

/** The layers of a snapshot as directories, topmost first. */
export interface SnapshotLayers {
  readonly upper: string | undefined;
  readonly work: string | undefined;
  readonly lower: readonly string[];
  /** Other overlay options. */
  readonly options: readonly string[];
}

/** An account file larger than this is not one. */
const LARGEST_FILE = 8 << 20;

export function openRoot(container: Container, options: { writable: boolean }): Detached {
  if (container.running) {
    return directory(`/proc/${container.record.state.pid}/root`);
  }
  if (!container.rootfs) {
    throw new EngineError('FailedPrecondition', `the root file system of container ${container.id} is not prepared`, { layer: 'daemon' });
  }
  return openMounts(container.rootfs, options);
}

export function openMounts(mounts: readonly Mount[], options: { writable: boolean }): Detached {
  const layers = layersOf(mounts);
  if (layers.lower.length === 0 && layers.upper !== undefined) return directory(layers.upper);
  if (options.writable) return detachedOverlay({ lower: layers.lower, upper: layers.upper, work: layers.work, options: layers.options });
  const lower = layers.upper === undefined ? layers.lower : [layers.upper, ...layers.lower];
  const [single] = lower;
  return lower.length === 1 && single !== undefined ? directory(single) : detachedOverlay({ lower, options: layers.options });
}

/** Reads an overlay's options, or the directory of a bind. */
export function layersOf(mounts: readonly Mount[]): SnapshotLayers {
  const [mount] = mounts;
  if (mounts.length !== 1 || !mount) throw new EngineError('Internal', 'a snapshot is expected to be one mount', { layer: 'daemon' });
  if (mount.type === 'bind') return { upper: mount.source, work: undefined, lower: [], options: [] };
  const value = (key: string) => mount.options.find((option) => option.startsWith(`${key}=`))?.slice(key.length + 1);
  return {
    upper: value('upperdir'),
    work: value('workdir'),
    lower: (value('lowerdir') ?? '').split(':').filter(Boolean),
    options: mount.options.filter((option) => !/^(upperdir|workdir|lowerdir)=/.test(option) && !['rw', 'ro'].includes(option)),
  };
}

function directory(path: string): Detached {
  return heldDescriptor(openSync(path, constants.O_RDONLY | constants.O_DIRECTORY));
}

/** The text of a file inside `root`; '' when it is missing or no regular file. */
function readTextInRoot(root: Detached, path: string): string {
  const fd = tryOpenInRoot(root.fd, path, O.RDONLY | O.NONBLOCK);
  if (fd < 0) {
    if (['ENOENT', 'ENOTDIR', 'EACCES', 'ELOOP'].includes(errnoName(errno()))) return '';
    throw sysError('openat2', [path]);
  }
  try {
    const stats = fstatSync(fd);
    return stats.isFile() && stats.size <= LARGEST_FILE ? readFileSync(fd, 'utf8') : '';
  } finally {
    closeSync(fd);
  }
}

/** The accounts of images, by chain id: containers that never ran have no others. The oldest give way. */
export class AccountCache {
  readonly #known = new Map<string, Accounts>();

  of(container: Container): Accounts {
    const { chainId, state } = container.record;
    const pristine = state.phase === 'created' && chainId !== '';
    const cached = pristine ? this.#known.get(chainId) : undefined;
    if (cached) return cached;
    using root = openRoot(container, { writable: false });
    const accounts = parseAccounts(readTextInRoot(root, '/etc/passwd'), readTextInRoot(root, '/etc/group'));
    if (pristine) {
      this.#known.set(chainId, accounts);
      const [oldest] = this.#known.keys();
      if (this.#known.size > KEPT && oldest !== undefined) this.#known.delete(oldest);
    }
    return accounts;
  }
}

/** Images whose accounts are remembered. */
const KEPT = 64;
