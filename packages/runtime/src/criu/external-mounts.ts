// The mounts of a container that are not its own to save: what is bound from the host, cgroups that are bound, and what masks a file. At the
// checkpoint each gets the name of its destination in the images, at the restore the name is given its source. Runs in the caller.
//
// The names are runc's, so that either can restore what the other saved.
import { closeSync, fstatSync, openSync, readlinkSync } from 'node:fs';
import { posix } from 'node:path';
import type { Spec } from '@berth/oci/runtime-spec';
import type { ExternalMount } from '@berth/rpc/gen/criu/rpc';
import { O, tryOpenInRoot } from '@berth/sys/path';
import type { CgroupLocation } from '../cgroup/cgroup.ts';
import { hierarchies } from '../cgroup/hierarchy.ts';
import { cgroupMountPlan } from '../cgroup/mount-plan.ts';
import { DEFAULT_DEVICES } from '../init/devices.ts';
import { planMount } from '../init-plan.ts';

const NULL = '/dev/null';

interface HostMount {
  destination: string;
  source: string;
}

/** For the checkpoint of the container of which `pid` is a process. */
export function mountsToName(spec: Spec, cgroup: CgroupLocation, bundle: string, pid: number): ExternalMount[] {
  const root = openSync(`/proc/${pid}/root`, O.PATH | O.DIRECTORY | O.CLOEXEC);
  try {
    const named = hostMounts(spec, cgroup, bundle).map(({ destination }) => ({
      key: placeOf(root, destination)?.path ?? destination,
      val: destination,
    }));
    const masked = (spec.linux?.maskedPaths ?? []).filter((path) => placeOf(root, path)?.directory === false);
    return [...named, ...masked.map((key) => ({ key, val: NULL }))];
  } finally {
    closeSync(root);
  }
}

/** For the restore. */
export function mountsByName(spec: Spec, cgroup: CgroupLocation, bundle: string): ExternalMount[] {
  const named = hostMounts(spec, cgroup, bundle).map(({ destination, source }) => ({ key: destination, val: source }));
  return spec.linux?.maskedPaths?.length ? [...named, { key: NULL, val: NULL }] : named;
}

function hostMounts(spec: Spec, cgroup: CgroupLocation, bundle: string): HostMount[] {
  const mounts = (spec.mounts ?? []).flatMap((each): HostMount[] => {
    const { destination, type, source, options } = planMount(each, bundle);
    if (options.bind) return options.remount ? [] : [{ destination: posix.normalize(destination), source }];
    return type === 'cgroup' ? boundCgroups(spec, cgroup, destination) : [];
  });
  // Bound only where a container may not make nodes; criu takes no notice of names that it does not meet.
  const devices = [...DEFAULT_DEVICES, ...(spec.linux?.devices ?? [])].map(({ path }) => ({ destination: path, source: path }));
  return [...mounts, ...devices];
}

function boundCgroups(spec: Spec, cgroup: CgroupLocation, destination: string): HostMount[] {
  const cgroupNamespace = spec.linux?.namespaces?.some(({ type }) => type === 'cgroup') ?? false;
  return cgroupMountPlan(cgroup, hierarchies(), { cgroupNamespace }).flatMap((step) =>
    step.kind === 'bind' ? [{ destination: posix.join(destination, step.target), source: step.source }] : [],
  );
}

/** The image may have a symbolic link there; mounts are where it leads. Undefined when there is nothing. */
function placeOf(root: number, path: string): { path: string; directory: boolean } | undefined {
  const fd = tryOpenInRoot(root, path, O.PATH);
  if (fd < 0) return undefined;
  try {
    return { path: readlinkSync(`/proc/self/fd/${fd}`), directory: fstatSync(fd).isDirectory() };
  } finally {
    closeSync(fd);
  }
}
