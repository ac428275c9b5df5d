// /dev: the nodes and links that every container has (runtime-spec config-linux.md "Default Devices") and those it asked for.
// Made with mknod, or bound from the host inside a user namespace, where mknod is forbidden. Runs in init, before the change of root.
import { chmodSync, chownSync, closeSync, existsSync, openSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { SysError } from '@berth/errdefs/engine-error';
import type { Device } from '@berth/oci/runtime-spec';
import { attachTree, cloneTree } from '@berth/sys/mount';
import { mknodAt, O, openAt, symlinkAt, unlinkAt } from '@berth/sys/path';
import type { InitPlan } from '../plan.ts';
import { openDirectory, openTarget } from './mount-target.ts';

export const DEFAULT_DEVICES: readonly Device[] = [
  { type: 'c', path: '/dev/null', major: 1, minor: 3 },
  { type: 'c', path: '/dev/random', major: 1, minor: 8 },
  { type: 'c', path: '/dev/full', major: 1, minor: 7 },
  { type: 'c', path: '/dev/tty', major: 5, minor: 0 },
  { type: 'c', path: '/dev/zero', major: 1, minor: 5 },
  { type: 'c', path: '/dev/urandom', major: 1, minor: 9 },
];

const LINKS = [
  ['fd', '/proc/self/fd'],
  ['stdin', '/proc/self/fd/0'],
  ['stdout', '/proc/self/fd/1'],
  ['stderr', '/proc/self/fd/2'],
] as const;

const NODE_TYPE = { c: 0o020000, u: 0o020000, b: 0o060000, p: 0o010000 } as const;
const DEFAULT_MODE = 0o666;

/** Only a /dev of the container's own is filled; one that is bound from the host stays as it is. */
export function needsDevices(plan: InitPlan): boolean {
  return !plan.mounts.some((each) => each.options.bind && each.destination === '/dev');
}

export function makeDevices(plan: InitPlan, root: number): void {
  const asked = plan.spec.linux?.devices ?? [];
  const defaults = DEFAULT_DEVICES.filter((device) => !asked.some((other) => other.path === device.path));
  const dev = openDirectory(root, '/dev');
  for (const device of [...defaults, ...asked]) {
    if (dirname(device.path) === '/dev') makeDevice(plan, root, dev, device);
    else {
      const directory = openDirectory(root, dirname(device.path));
      makeDevice(plan, root, directory, device);
      closeSync(directory);
    }
  }
  replaceLink(dev, 'ptmx', 'pts/ptmx');
  for (const [name, target] of LINKS) makeLink(dev, name, target);
  if (existsSync('/proc/kcore')) makeLink(dev, 'core', '/proc/kcore');
  closeSync(dev);
}

function makeDevice(plan: InitPlan, root: number, directory: number, device: Device): void {
  if (plan.has.user) {
    bindDevice(root, device);
    return;
  }
  const name = basename(device.path);
  const mode = device.fileMode === undefined ? DEFAULT_MODE : device.fileMode & 0o7777;
  try {
    mknodAt(directory, name, NODE_TYPE[device.type], mode, device.major ?? 0, device.minor ?? 0);
  } catch (error) {
    if (!(error instanceof SysError)) throw error;
    if (error.code === 'EEXIST') return;
    if (error.code !== 'EPERM') throw error;
    bindDevice(root, device);
    return;
  }
  // The name was just made by mknod in a directory that only init has: no link can stand in its place.
  const node = openAt(directory, name, O.PATH | O.NOFOLLOW);
  chmodSync(`/proc/self/fd/${node}`, mode);
  if (device.uid || device.gid) chownSync(`/proc/self/fd/${node}`, device.uid ?? 0, device.gid ?? 0);
  closeSync(node);
}

function bindDevice(root: number, device: Device): void {
  const target = openTarget(root, device.path, 'file');
  const tree = cloneTree(device.path, { recursive: false });
  attachTree(tree, target);
  closeSync(tree);
  closeSync(target);
}

function makeLink(directory: number, name: string, target: string): void {
  try {
    symlinkAt(target, directory, name);
  } catch (error) {
    if (!(error instanceof SysError && error.code === 'EEXIST')) throw error;
  }
}

function replaceLink(directory: number, name: string, target: string): void {
  try {
    unlinkAt(directory, name);
  } catch {}
  makeLink(directory, name, target);
}

/** Standard streams that were the host's /dev/null become the container's: the host's node stays out of reach. */
export function reopenNull(isHostNull: (fd: number) => boolean, replace: (from: number, to: number) => void): void {
  for (const fd of [0, 1, 2]) {
    if (!isHostNull(fd)) continue;
    const own = openSync('/dev/null', O.RDWR | O.CLOEXEC);
    replace(own, fd);
    closeSync(own);
  }
}
