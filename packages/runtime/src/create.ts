// Creating a container: the parent's side. Each step that acquires something says how it is given back; when a later one fails
// nothing is left. Spawning is retried when the forked engine crashed before it could report.
import { closeSync, openSync, rmSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { EngineError } from '@berth/errdefs/engine-error';
import { type Mount, OCI_VERSION, type Spec, type State } from '@berth/oci/runtime-spec';
import { setns } from '@berth/sys/namespace';
import { mkfifo, O } from '@berth/sys/path';
import { readBundle, rootfsPath, validateSpec } from './bundle.ts';
import type { CgroupLocation } from './cgroup/cgroup.ts';
import { type Hierarchy, hierarchies } from './cgroup/hierarchy.ts';
import { cgroupMountPlan } from './cgroup/mount-plan.ts';
import { openCgroup } from './cgroup/open.ts';
import type { CreateOptions, MountPoint } from './container.ts';
import { runHooks } from './hooks.ts';
import { writeIdMaps } from './id-maps.ts';
import { runInit } from './init/init.ts';
import { parseMountOptions } from './mount-options.ts';
import { planNamespaces } from './namespaces.ts';
import { setOomScore } from './oom-score.ts';
import type { InitPlan, MountPlan } from './plan.ts';
import { planProcess } from './process-plan.ts';
import { processStatus } from './process-status.ts';
import { passListener } from './seccomp-listener.ts';
import { awaitReady, discardChild, ForkCrash, type Newborn, type Ready, raiseHardLimits, recordTimings, sendGo, spawn } from './spawn.ts';
import { fifoPath, filterDirectory, makeStateDirectory, type SavedState, writeInit, writeState } from './state-file.ts';
import { UndoStack } from './undo.ts';

const FORK_ATTEMPTS = 3;

export interface Created {
  state: SavedState;
  master: number | undefined;
}

export function create(options: CreateOptions): Created {
  using undo = new UndoStack();
  using span = options.span?.child('runtime.create');
  const spec = options.spec ?? readBundle(options.bundle);
  validateSpec(spec);
  const process = spec.process;
  if (!process) throw new EngineError('InvalidArgument', 'config.json: process is missing', { layer: 'runtime' });
  const directory = makeStateDirectory(options.root, options.id);
  undo.defer(() => rmSync(directory, { recursive: true, force: true }));
  const fifo = fifoPath(directory);
  mkfifo(fifo, 0o622);
  const gate = openSync(fifo, O.RDONLY | O.NONBLOCK | O.CLOEXEC);
  using _gate = closing(gate);

  const mounted = hierarchies();
  const cgroup = openCgroup({
    id: options.id,
    hierarchies: mounted,
    cgroupsPath: spec.linux?.cgroupsPath,
    driver: options.cgroupManager,
    rootless: globalThis.process.geteuid?.() !== 0,
  });
  undo.defer(() => cgroup.remove());
  const rootfs = rootfsPath(options.bundle, spec);
  const state: SavedState = {
    id: options.id,
    pid: 0,
    startTime: 0,
    bundle: options.bundle,
    rootfs,
    created: new Date().toISOString(),
    owner: globalThis.process.getuid?.() ?? 0,
    cgroup: cgroup.location,
    spec,
  };
  writeState(directory, state);
  cgroup.create();
  cgroup.apply(spec.linux?.resources ?? {}, 'create');

  using descriptors = new UndoStack();
  const namespaces = planNamespaces(spec.linux, descriptors);
  const has = (type: string) => spec.linux?.namespaces?.some((namespace) => namespace.type === type) ?? false;
  const newUser = (namespaces.cloneFlags & 0x10000000) !== 0;
  const plan: InitPlan = {
    ...planProcess(process, {
      stdio: options.stdio,
      linux: spec.linux,
      filterDirectory: filterDirectory(options.root),
      preserveFds: options.preserveFds ?? 0,
      setgroupsDenied: newUser && globalThis.process.geteuid?.() !== 0,
    }),
    id: options.id,
    spec,
    bundle: options.bundle,
    rootfs,
    rootfsMounts: (options.rootfsMounts ?? []).map((mount) => planRootfsMount(mount)),
    mounts: (spec.mounts ?? []).map((mount) => planMount(mount, options.bundle)),
    cgroupMounts: planCgroupMounts(spec, cgroup.location, mounted, has('cgroup')),
    cloneFlags: namespaces.cloneFlags,
    lateFlags: namespaces.lateFlags,
    joins: namespaces.needsIntermediate ? [] : namespaces.joins,
    has: { user: has('user'), mount: has('mount'), network: has('network'), pid: has('pid'), uts: has('uts') },
    gate,
    waitsForParent: has('user'),
    joinCgroup: has('user') ? undefined : cgroup,
    noPivot: options.noPivot ?? false,
    noNewKeyring: options.noNewKeyring ?? false,
    hookState: hookState(options, spec),
    hooks: {
      createContainer: spec.hooks?.createContainer ?? [],
      startContainer: spec.hooks?.startContainer ?? [],
      runtime: Boolean(spec.hooks?.prestart?.length || spec.hooks?.createRuntime?.length),
    },
  };
  const join = () => {
    for (const { fd, flag } of namespaces.joins) setns(fd, flag);
  };

  const bear = (): { newborn: Newborn; ready: Ready } => {
    using failed = new UndoStack();
    const newborn = spawn({
      cloneFlags: plan.cloneFlags,
      pidNamespace: namespaces.joinPid,
      intermediate: namespaces.needsIntermediate ? join : undefined,
      cgroupDirectory: has('user') ? undefined : cgroup.location.paths[''],
      live: (channel) => runInit(plan, channel),
    });
    const { pid, channel } = newborn;
    failed.defer(() => channel.close());
    failed.defer(() => discardChild(newborn));
    if (newUser) writeIdMaps(pid, spec.linux?.uidMappings ?? [], spec.linux?.gidMappings ?? []);
    if (plan.waitsForParent) {
      // A user namespace has no right to the host's cgroup files, nor to better its score or its limits.
      setOomScore(pid, process.oomScoreAdj);
      cgroup.join(pid);
      raiseHardLimits(pid, plan.rlimits);
      sendGo(newborn);
    }
    const ready = awaitReady(newborn, () => {
      const current: State = { ...plan.hookState, status: 'creating', pid };
      runHooks('prestart', spec.hooks?.prestart, current);
      runHooks('createRuntime', spec.hooks?.createRuntime, current);
    });
    failed.commit();
    return { newborn, ready };
  };
  const { newborn, ready } = retrying(bear);
  const { pid, channel } = newborn;
  using _channel = { [Symbol.dispose]: () => channel.close() };
  undo.defer(() => discardChild(newborn));
  const { master, listener } = ready;
  if (master !== undefined) undo.defer(() => closeSync(master));
  if (listener !== undefined) passListener(listener, spec, pid, { ...plan.hookState, status: 'creating', pid });

  recordTimings(span, ready.timings);
  state.pid = pid;
  state.startTime = processStatus(pid)?.startTime ?? 0;
  writeInit(directory, state);
  // From here on init waits for its start; had we died before, it would have ended too.
  sendGo(newborn);
  undo.commit();
  return { state, master };
}

function retrying<T>(attempt: () => T): T {
  for (let tries = 1; ; tries++) {
    try {
      return attempt();
    } catch (error) {
      if (!(error instanceof ForkCrash) || tries === FORK_ATTEMPTS) throw error;
    }
  }
}

function closing(fd: number): Disposable {
  return { [Symbol.dispose]: () => closeSync(fd) };
}

function hookState(options: CreateOptions, spec: Spec): State {
  const state: State = { ociVersion: spec.ociVersion ?? OCI_VERSION, id: options.id, status: 'creating', pid: 0, bundle: options.bundle };
  if (spec.annotations) state.annotations = spec.annotations;
  return state;
}

function planMount(mount: Mount, bundle: string): MountPlan {
  const options = parseMountOptions(mount.options ?? [], mount.type);
  const source = mount.source ?? '';
  return {
    destination: mount.destination.startsWith('/') ? mount.destination : `/${mount.destination}`,
    type: mount.type ?? (options.bind ? 'bind' : ''),
    source: options.bind && !isAbsolute(source) ? join(bundle, source) : source,
    options,
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

function planCgroupMounts(spec: Spec, location: CgroupLocation, mounted: readonly Hierarchy[], cgroupNamespace: boolean) {
  return spec.mounts?.some((mount) => mount.type === 'cgroup') ? cgroupMountPlan(location, mounted, { cgroupNamespace }) : [];
}
