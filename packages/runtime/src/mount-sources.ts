// Id-mapped mounts (runtime-spec config.md "uidMappings" of a mount; mount_setattr(2), MOUNT_ATTR_IDMAP): files show other owners below
// the mount than they have on disk. Only who has rights over the file system may map it, which a container's init in a user namespace has
// not: so the caller clones and maps the tree, and init attaches it. For the same reason it clones what init's user cannot reach.
import { closeSync, openSync } from 'node:fs';
import { EngineError, SysError } from '@berth/errdefs/engine-error';
import type { IdMapping, Linux } from '@berth/oci/runtime-spec';
import { ATTR, cloneTree, setMountAttributes } from '@berth/sys/mount';
import type { MountPlan } from './plan.ts';
import type { UndoStack } from './undo.ts';
import { makeUserNamespace } from './user-namespace.ts';

/** Gives every mount that init could not clone or map itself its detached tree; `undo` closes them. */
export function cloneSources(mounts: readonly MountPlan[], linux: Linux | undefined, undo: UndoStack): void {
  const inUserNamespace = linux?.namespaces?.some(({ type }) => type === 'user') ?? false;
  const namespaces = new Map<string, number>();
  for (const mount of mounts) {
    if (!mount.idMap) {
      if (inUserNamespace && mount.options.bind && !mount.options.remount) clone(mount, undo);
      continue;
    }
    const { uids, gids, recursive } = mount.idMap;
    const key = JSON.stringify([uids, gids]);
    let namespace = namespaces.get(key);
    if (namespace === undefined) {
      namespace = uids.length || gids.length ? makeUserNamespace(uids, gids) : containersNamespace(linux);
      namespaces.set(key, namespace);
      const fd = namespace;
      undo.defer(() => closeSync(fd));
    }
    mount.tree = mapTree(mount, namespace, recursive);
    const { tree } = mount;
    undo.defer(() => closeSync(tree));
  }
}

/** A source that is not there, or a caller without the right: init will try itself, and say what is wrong. */
function clone(mount: MountPlan, undo: UndoStack): void {
  try {
    const tree = cloneTree(mount.source, { recursive: mount.options.recursive });
    undo.defer(() => closeSync(tree));
    mount.tree = tree;
  } catch (error) {
    if (!(error instanceof SysError)) throw error;
  }
}

function mapTree(mount: MountPlan, userNamespace: number, recursive: boolean): number {
  const tree = cloneTree(mount.source, { recursive: mount.options.recursive });
  try {
    setMountAttributes(tree, { set: ATTR.IDMAP, userNamespace, recursive });
    return tree;
  } catch (cause) {
    closeSync(tree);
    const message = `failed to id-map the mount of ${mount.source} at ${mount.destination}: ${(cause as Error).message} (maybe its file system does not support it)`;
    throw new EngineError('FailedPrecondition', message, { layer: 'runtime', cause });
  }
}

/** Without maps of its own a mount takes those of the container. */
function containersNamespace(linux: Linux | undefined): number {
  const path = linux?.namespaces?.find(({ type }) => type === 'user')?.path;
  return path ? openSync(path, 'r') : makeUserNamespace(linux?.uidMappings ?? [], linux?.gidMappings ?? []);
}

/** The maps that a mount of config.json asks for. */
export interface IdMapPlan {
  /** Both empty: the container's. */
  uids: readonly IdMapping[];
  gids: readonly IdMapping[];
  /** Also the mounts below the source. */
  recursive: boolean;
}
