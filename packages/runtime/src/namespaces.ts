// The namespaces of a container: which are made, which are joined and in what order, and the descriptors for it. Runs in the parent.
import { closeSync, openSync } from 'node:fs';
import { EngineError } from '@berth/errdefs/engine-error';
import type { Linux, Namespace } from '@berth/oci/runtime-spec';
import { NAMESPACE_FLAGS } from './plan.ts';
import type { UndoStack } from './undo.ts';

export interface NamespacePlan {
  cloneFlags: number;
  lateFlags: number;
  joins: { fd: number; flag: number }[];
  /** Joined by the parent for its next child, since a process never changes its own. */
  joinPid: number | undefined;
  /** Another namespace is joined and a user namespace is made or joined: a process between parent and init has to do it in order. */
  needsIntermediate: boolean;
}

/** Made by init itself: the cgroup namespace's root is where init is by then; the clock's takes effect at execve. */
const LATE = NAMESPACE_FLAGS.cgroup | NAMESPACE_FLAGS.time;

/** Joined first what a new user namespace would have no right to, the mounts last: their root may hide the other paths. */
const JOIN_ORDER = ['ipc', 'uts', 'network', 'cgroup', 'time', 'user', 'mount'] as const;

export function planNamespaces(linux: Linux | undefined, undo: UndoStack): NamespacePlan {
  const plan: NamespacePlan = { cloneFlags: 0, lateFlags: 0, joins: [], joinPid: undefined, needsIntermediate: false };
  const namespaces = linux?.namespaces ?? [];
  for (const { type, path } of namespaces) {
    const flag = NAMESPACE_FLAGS[type];
    if (path) continue;
    if (flag & LATE) plan.lateFlags |= flag;
    else plan.cloneFlags |= flag;
  }
  for (const type of JOIN_ORDER) {
    const namespace = namespaces.find((each) => each.type === type && each.path);
    if (namespace) plan.joins.push({ fd: open(namespace, undo), flag: NAMESPACE_FLAGS[type] });
  }
  const pid = namespaces.find((each) => each.type === 'pid' && each.path);
  if (pid) plan.joinPid = open(pid, undo);
  const user = namespaces.some((each) => each.type === 'user');
  plan.needsIntermediate = user && (plan.joins.length > 0 || plan.joinPid !== undefined);
  return plan;
}

function open(namespace: Namespace, undo: UndoStack): number {
  try {
    const fd = openSync(namespace.path ?? '', 'r');
    undo.defer(() => closeSync(fd));
    return fd;
  } catch (cause) {
    throw new EngineError(
      'InvalidArgument',
      `failed to join the ${namespace.type} namespace ${namespace.path}: ${(cause as Error).message}`,
      { layer: 'runtime', cause },
    );
  }
}
