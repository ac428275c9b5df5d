// Which cgroup a container gets: the host's layout is looked at here, and nowhere else.
//
// Called by the runtime's parent process. The path rules are runc's: an absolute cgroupsPath counts from the root of the
// hierarchy, a relative one from the caller's own cgroup, and none at all means `/<id>`.
import { posix } from 'node:path';
import { EngineError } from '@berth/errdefs/engine-error';
import type { Cgroup, CgroupLocation } from './cgroup.ts';
import { cgroupMode, type Hierarchy, hierarchies, ownCgroups } from './hierarchy.ts';
import { propertiesIn } from './systemd/annotations.ts';
import { SystemdCgroup } from './systemd/driver.ts';
import { SystemdManager } from './systemd/manager.ts';
import { slicePath, type Unit, unitFor } from './systemd/unit.ts';
import { CgroupV1 } from './v1.ts';
import { CgroupV2 } from './v2.ts';

export interface OpenCgroupOptions {
  id: string;
  /** linux.cgroupsPath of the bundle. */
  cgroupsPath?: string;
  /** 'systemd': a unit of its own, cgroupsPath is `slice:prefix:name`. */
  driver?: 'cgroupfs' | 'systemd';
  /** The bundle's, in which properties of the unit may stand. */
  annotations?: Readonly<Record<string, string>>;
  /** As an unprivileged user: hierarchies that refuse to make the directory are left out instead of failing. */
  rootless?: boolean;
  /** The host's layout, when the caller has read it already. */
  hierarchies?: readonly Hierarchy[];
}

/** The cgroup that a new container is to have; nothing is made until `create`. */
export function openCgroup(options: OpenCgroupOptions): Cgroup {
  const mounted = options.hierarchies ?? hierarchies();
  const mode = cgroupMode(mounted);
  if (mode === 'none') {
    throw new EngineError('FailedPrecondition', 'no cgroup hierarchy is mounted: mount cgroup2 on /sys/fs/cgroup', { layer: 'runtime' });
  }
  const unit = options.driver === 'systemd' ? unitFor(options.id, options.cgroupsPath, options.rootless ?? false) : undefined;
  const place = unit ? { ...options, cgroupsPath: unitPath(unit, options.rootless ?? false) } : options;
  const location = mode === 'unified' ? locateV2(place, mounted) : locateV1(place, mounted);
  if (!unit) return loadFiles(location, options);
  const files = loadFiles({ ...location, unit }, options);
  return new SystemdCgroup(files, unit, isRootless(options), propertiesIn(options.annotations));
}

function unitPath({ slice, name }: Unit, rootless: boolean): string {
  if (!rootless) return `${slicePath(slice)}/${name}`;
  using manager = new SystemdManager(true);
  return `${manager.controlGroup()}${slicePath(slice)}/${name}`;
}

/** The cgroup of an existing container, from what its state file kept. */
export function loadCgroup(location: CgroupLocation, options: { rootless?: boolean } = {}): Cgroup {
  const files = loadFiles(location, options);
  return location.unit ? new SystemdCgroup(files, location.unit, isRootless(options)) : files;
}

/** The same without systemd: for processes that enter it. */
export function loadFiles(location: CgroupLocation, options: { rootless?: boolean } = {}): Cgroup {
  const rootless = isRootless(options);
  return location.version === 2 ? new CgroupV2(location, { rootless }) : new CgroupV1(location, { rootless });
}

function isRootless({ rootless }: { rootless?: boolean }): boolean {
  return rootless ?? process.geteuid?.() !== 0;
}

function locateV2(options: OpenCgroupOptions, mounted: readonly Hierarchy[]): CgroupLocation {
  const hierarchy = mounted.find(({ version }) => version === 2);
  const mountpoint = hierarchy?.mountpoint ?? '';
  // The caller's own cgroup holds processes, so it cannot hand controllers to children: its parent does.
  const relative = resolve(options, () => posix.dirname(ownCgroups()[''] ?? '/'));
  return { version: 2, relative: { '': relative }, paths: { '': join(mountpoint, relative) } };
}

function locateV1(options: OpenCgroupOptions, mounted: readonly Hierarchy[]): CgroupLocation {
  const own = lazily(ownCgroups);
  const relative: Record<string, string> = {};
  const paths: Record<string, string> = {};
  for (const hierarchy of mounted) {
    for (const controller of hierarchy.version === 2 ? [''] : hierarchy.controllers) {
      const place = resolve(options, () => own()[controller] ?? '/');
      relative[controller] = place;
      paths[controller] = join(hierarchy.mountpoint, below(hierarchy.root, place));
    }
  }
  return { version: 1, relative, paths };
}

function resolve({ id, cgroupsPath }: OpenCgroupOptions, own: () => string): string {
  if (!cgroupsPath) return clean(id);
  return cgroupsPath.startsWith('/') ? clean(cgroupsPath) : clean(`${own()}/${clean(cgroupsPath)}`);
}

/** Absolute, without `.` and `..`: a path cannot lead out of the hierarchy. */
function clean(path: string): string {
  const normal = posix.normalize(`/${path}`).replace(/\/+$/, '');
  if (normal === '')
    throw new EngineError('InvalidArgument', `invalid cgroupsPath ${JSON.stringify(path)}: it names the root of the hierarchy`, {
      layer: 'runtime',
    });
  return normal;
}

/** In a container without a cgroup namespace only a part of the hierarchy is mounted; paths count from its root. */
function below(root: string, place: string): string {
  return root !== '/' && place.startsWith(`${root}/`) ? place.slice(root.length) : place;
}

function join(mountpoint: string, place: string): string {
  return `${mountpoint}${place}`;
}

function lazily<T>(read: () => T): () => T {
  let value: T | undefined;
  return () => {
    value ??= read();
    return value;
  };
}
