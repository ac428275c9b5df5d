// Snapshots for containers in user namespaces (containerd's labels for remapped snapshots): the files of the layers below stay as they are,
// and the container's shim shows them under other owners, told by the mount options uidmap= and gidmap=. Those are added when a task is
// created, not to what Snapshots.Mounts answers: clients that look for a user in /etc/passwd mount that themselves, and would not know them.
import { release } from 'node:os';
import { EngineError } from '@berth/errdefs/engine-error';
import type { Labels } from '../metadata/labels.ts';

const UID_LABEL = 'containerd.io/snapshot/uidmapping';
const GID_LABEL = 'containerd.io/snapshot/gidmapping';

/** Linux 6.15 is the first that stacks detached id-mapped mounts. */
const NEEDED = [6, 15] as const;

export interface IdMapping {
  /** For the mounts of the root file system. */
  options: string[];
  /** The host's ids of the container's root: who owns what is written on top. */
  root: { uid: number; gid: number };
}

/** Whether this kernel can: the snapshotters' capability remap-ids, without which clients change owners themselves. */
export function canRemap(version: string = release()): boolean {
  const [major = 0, minor = 0] = version.split('.').map((part) => Number.parseInt(part, 10));
  return major > NEEDED[0] || (major === NEEDED[0] && minor >= NEEDED[1]);
}

/** What the labels ask for. InvalidArgument for labels that are no mappings; FailedPrecondition where the kernel cannot. */
export function idMappingOf(labels: Labels): IdMapping | undefined {
  const uids = labels[UID_LABEL];
  const gids = labels[GID_LABEL];
  if (!uids && !gids) return undefined;
  if (!uids || !gids) throw invalid(`the labels ${UID_LABEL} and ${GID_LABEL} go together`);
  if (!canRemap()) {
    throw new EngineError('FailedPrecondition', `this kernel (${release()}) cannot remap snapshots: Linux ${NEEDED.join('.')} can`, {
      layer: 'lifecycle',
    });
  }
  return { options: [`uidmap=${uids}`, `gidmap=${gids}`], root: { uid: rootOf(UID_LABEL, uids), gid: rootOf(GID_LABEL, gids) } };
}

function rootOf(label: string, text: string): number {
  const ranges = text.split(',').map((part) => /^(\d{1,10}):(\d{1,10}):(\d{1,10})$/.exec(part));
  if (ranges.some((range) => range === null)) throw invalid(`label ${label}="${text}" is no mapping: say CONTAINER:HOST:COUNT`);
  const root = ranges.find((range) => Number(range?.[1]) === 0);
  if (!root) throw invalid(`label ${label}="${text}" does not map the container's root`);
  return Number(root[2]);
}

function invalid(message: string): EngineError {
  return new EngineError('InvalidArgument', `${message}: invalid argument`, { layer: 'lifecycle' });
}
