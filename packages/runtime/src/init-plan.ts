// From a bundle to everything that its init will do (plan.ts). Pure but for reading the host's own facts; runs in the parent,
// or in a prepared init.
import { readdirSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { type LinuxSeccomp, type Mount, OCI_VERSION, type Process, type Spec, type State } from '@berth/oci/runtime-spec';
import { CLONE } from '@berth/sys/namespace';
import { rootfsPath } from './bundle.ts';
import type { Cgroup } from './cgroup/cgroup.ts';
import type { Hierarchy } from './cgroup/hierarchy.ts';
import { cgroupMountPlan } from './cgroup/mount-plan.ts';
import type { CreateOptions, MountPoint } from './container-options.ts';
import { deniesSetgroups } from './id-maps.ts';
import { parseMountOptions } from './mount-options.ts';
import type { NamespacePlan } from './namespaces.ts';
import type { InitPlan, MountPlan } from './plan.ts';
import { planProcess } from './process-plan.ts';
import { allows } from './seccomp/rules.ts';
import { filterDirectory } from './state-file.ts';

/** What the caller has acquired for the container. */
export interface Acquired {
  /** The reading end of exec.fifo. */
  gate: number;
  cgroup: Cgroup;
  namespaces: NamespacePlan;
  mounted: readonly Hierarchy[];
}

/** What of the options a plan is made from. */
export type PlanOptions = Pick<
  CreateOptions,
  'id' | 'bundle' | 'root' | 'rootfsMounts' | 'stdio' | 'noPivot' | 'noNewKeyring' | 'preserveFds'
>;

export function planInit(options: PlanOptions, spec: Spec, process: Process, { gate, cgroup, namespaces, mounted }: Acquired): InitPlan {
  const has = (type: string) => spec.linux?.namespaces?.some((namespace) => namespace.type === type) ?? false;
  const newUser = (namespaces.cloneFlags & CLONE.NEWUSER) !== 0;
  return {
    ...planProcess(process, {
      stdio: options.stdio,
      linux: spec.linux,
      filterDirectory: filterDirectory(options.root),
      preserveFds: options.preserveFds ?? 0,
      setgroupsDenied: newUser && deniesSetgroups(spec.linux?.gidMappings ?? []),
    }),
    id: options.id,
    spec,
    bundle: options.bundle,
    rootfs: rootfsPath(options.bundle, spec),
    rootfsMounts: (options.rootfsMounts ?? []).map(planRootfsMount),
    mounts: (spec.mounts ?? []).map((mount) => planMount(mount, options.bundle)),
    cgroupMounts: spec.mounts?.some(({ type }) => type === 'cgroup')
      ? cgroupMountPlan(cgroup.location, mounted, { cgroupNamespace: has('cgroup') })
      : [],
    cloneFlags: namespaces.cloneFlags,
    lateFlags: namespaces.lateFlags,
    joins: namespaces.needsIntermediate ? [] : namespaces.joins,
    has: { user: has('user'), mount: has('mount'), network: has('network'), pid: has('pid'), uts: has('uts') },
    gate,
    closesUpTo: closesUpTo(process, spec.linux?.seccomp),
    waitsForParent: has('user') || cgroup.needsProcess,
    joinCgroup: has('user') || cgroup.needsProcess ? undefined : cgroup,
    noPivot: options.noPivot ?? false,
    noNewKeyring: options.noNewKeyring ?? false,
    hookState: hookState(options, spec),
    hooks: {
      createContainer: spec.hooks?.createContainer ?? [],
      startContainer: spec.hooks?.startContainer ?? [],
      runtime: hasRuntimeHooks(spec),
    },
  };
}

/** Descriptors that the caller has, with room for what it and init open meanwhile: the kernel gives the lowest number that is free. */
function closesUpTo({ noNewPrivileges }: Process, seccomp: LinuxSeccomp | undefined): number | undefined {
  const isLate = noNewPrivileges && !seccomp?.syscalls?.some(({ action }) => action === 'SCMP_ACT_NOTIFY');
  if (!seccomp || isLate || allows(seccomp, 'close_range')) return undefined;
  return Math.max(...readdirSync('/proc/self/fd').map(Number)) + 64;
}

/** Some run while init waits with its mounts made. */
export function hasRuntimeHooks({ hooks }: Spec): boolean {
  return Boolean(hooks?.prestart?.length || hooks?.createRuntime?.length);
}

export function hookState(options: Pick<CreateOptions, 'id' | 'bundle'>, spec: Spec): State {
  const state: State = { ociVersion: spec.ociVersion ?? OCI_VERSION, id: options.id, status: 'creating', pid: 0, bundle: options.bundle };
  if (spec.annotations) state.annotations = spec.annotations;
  return state;
}

export function planMount(mount: Mount, bundle: string): MountPlan {
  const options = parseMountOptions(mount.options ?? [], mount.type);
  const source = mount.source ?? '';
  return {
    destination: mount.destination.startsWith('/') ? mount.destination : `/${mount.destination}`,
    type: mount.type ?? (options.bind ? 'bind' : ''),
    source: options.bind && !isAbsolute(source) ? join(bundle, source) : source,
    options,
    ...(options.idMap || mount.uidMappings?.length
      ? { idMap: { uids: mount.uidMappings ?? [], gids: mount.gidMappings ?? [], recursive: options.idMap === 'tree' } }
      : {}),
  };
}

function planRootfsMount(mount: MountPoint): MountPlan {
  return {
    destination: mount.target || '/',
    type: mount.type,
    source: mount.source,
    options: parseMountOptions(mount.options, mount.type),
  };
}
