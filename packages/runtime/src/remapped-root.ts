// The root file system of a container in a user namespace. Its init could not reach the layers, which are root's alone, and an overlay of
// its making would not see their attributes (trusted.*): so the parent makes the mount, detached, and init attaches it. Where the layers
// belong to other ids on disk, containerd's mount options uidmap= and gidmap= say so (`0:100000:65536`: container's id, host's id, count): each
// layer below is cloned and id-mapped, and the overlay is made of the clones; what is written on top belongs to the host's ids already.
import { closeSync } from 'node:fs';
import { EngineError, SysError } from '@berth/errdefs/engine-error';
import type { IdMapping } from '@berth/oci/runtime-spec';
import { detachedOverlay } from '@berth/sys/detached-mount';
import { ATTR, cloneTree, setMountAttributes } from '@berth/sys/mount';
import type { MountPoint } from './container-options.ts';
import { makeUserNamespace } from './user-namespace.ts';

/** For a container in a new user namespace. Undefined where init has to try itself, and will say what is wrong. */
export function detachedRoot(mount: MountPoint): number | undefined {
  const remapped = remappedTree(mount);
  if (remapped !== undefined) return remapped;
  try {
    if (mount.type !== 'overlay') return cloneTree(mount.source, { recursive: mount.options.includes('rbind') });
    return overlayOf(mount.options, lowerOf(mount.options));
  } catch (error) {
    if (error instanceof SysError) return undefined;
    throw error;
  }
}

/** A detached mount, the caller's to close; undefined for a mount that asks for no remapping. */
export function remappedTree({ type, source, options }: MountPoint): number | undefined {
  const uids = mappingIn(options, 'uidmap');
  const gids = mappingIn(options, 'gidmap');
  if (!uids && !gids) return undefined;
  const namespace = makeUserNamespace(uids ?? gids ?? [], gids ?? uids ?? []);
  try {
    return type === 'overlay' ? overlayTree(options, namespace) : mappedClone(source, namespace);
  } finally {
    closeSync(namespace);
  }
}

function overlayTree(options: readonly string[], namespace: number): number {
  using layers = new DisposableStack();
  const lower = lowerOf(options).map((directory) => {
    const tree = mappedClone(directory, namespace);
    layers.defer(() => closeSync(tree));
    return `/proc/self/fd/${tree}`;
  });
  try {
    return overlayOf(options, lower);
  } catch (cause) {
    throw new EngineError(
      'FailedPrecondition',
      `failed to stack id-mapped layers: ${(cause as Error).message} (Linux 6.15 and later can)`,
      {
        layer: 'runtime',
        cause,
      },
    );
  }
}

function lowerOf(options: readonly string[]): string[] {
  return (optionValue(options, 'lowerdir') ?? '').split(':');
}

/** The descriptor is all that is left of the mount, and the caller's. */
function overlayOf(options: readonly string[], lower: readonly string[]): number {
  const upper = optionValue(options, 'upperdir');
  const work = optionValue(options, 'workdir');
  const rest = options.filter((option) => !/^(lowerdir|upperdir|workdir|uidmap|gidmap)=|^(ro|rw)$/.test(option));
  return detachedOverlay({ lower, options: rest, executable: true, setuid: true, ...(upper && work ? { upper, work } : {}) }).fd;
}

function mappedClone(path: string, userNamespace: number): number {
  const tree = cloneTree(path, { recursive: false });
  try {
    setMountAttributes(tree, { set: ATTR.IDMAP, userNamespace });
    return tree;
  } catch (cause) {
    closeSync(tree);
    throw new EngineError(
      'FailedPrecondition',
      `failed to id-map ${path}: ${(cause as Error).message} (maybe its file system does not support it)`,
      {
        layer: 'runtime',
        cause,
      },
    );
  }
}

function mappingIn(options: readonly string[], name: 'uidmap' | 'gidmap'): IdMapping[] | undefined {
  const text = optionValue(options, name);
  if (text === undefined) return undefined;
  return text.split(',').map((part) => {
    const [, containerID, hostID, size] = /^(\d+):(\d+):(\d+)$/.exec(part) ?? [];
    if (size === undefined)
      throw new EngineError('InvalidArgument', `mount option ${name}=${text} is no id mapping: say CONTAINER:HOST:COUNT`, {
        layer: 'runtime',
      });
    return { containerID: Number(containerID), hostID: Number(hostID), size: Number(size) };
  });
}

function optionValue(options: readonly string[], name: string): string | undefined {
  return options.find((option) => option.startsWith(`${name}=`))?.slice(name.length + 1);
}
