// Creating a container: the parent's side. Each step that acquires something says how it is given back; when a later one fails
// nothing is left. Spawning is retried when the forked engine crashed before it could report.
import { closeSync } from 'node:fs';
import { EngineError } from '@berth/errdefs/engine-error';
import type { State } from '@berth/oci/runtime-spec';
import { CLONE, setns } from '@berth/sys/namespace';
import type { Span } from '@berth/trace/tracer';
import { readBundle, validateSpec } from './bundle.ts';
import { claim } from './claim.ts';
import type { CreateOptions, MountPoint } from './container.ts';
import { runHooks } from './hooks.ts';
import { writeIdMaps } from './id-maps.ts';
import { runInit } from './init/init.ts';
import { planInit } from './init-plan.ts';
import { cloneSources } from './mount-sources.ts';
import { planNamespaces } from './namespaces.ts';
import { moveNetDevices } from './net-devices.ts';
import { setOomScore } from './oom-score.ts';
import { processStatus } from './process-status.ts';
import { detachedRoot } from './remapped-root.ts';
import { enterResctrl, leaveResctrl } from './resource-director.ts';
import { passListener } from './seccomp-listener.ts';
import { ignoredSignals } from './signals.ts';
import { awaitReady, discardChild, ForkCrash, type Newborn, type Ready, raiseHardLimits, recordTimings, sendGo, spawn } from './spawn.ts';
import { type SavedState, writeInit } from './state-file.ts';
import { UndoStack } from './undo.ts';

const FORK_ATTEMPTS = 3;

export interface Created {
  state: SavedState;
  master: number | undefined;
}

export function create(options: CreateOptions): Created {
  const { span } = options;
  return span ? span.during('runtime.create', (child) => build(options, child), 'runtime') : build(options, undefined);
}

function build(options: CreateOptions, span: Span | undefined): Created {
  // Outlives `undo`, which may need what it holds.
  using held = new UndoStack();
  using undo = new UndoStack();
  const spec = options.spec ?? readBundle(options.bundle);
  validateSpec(spec);
  const process = spec.process;
  if (!process) throw new EngineError('InvalidArgument', 'config.json: process is missing', { layer: 'runtime' });
  if (options.rootfsMounts?.length && !spec.linux?.namespaces?.some(({ type }) => type === 'mount'))
    throw new EngineError('InvalidArgument', 'mounts for the root filesystem need a mount namespace of the container', {
      layer: 'runtime',
    });
  using claimed = claim(options, spec, undo, span);
  const { directory, state, cgroup, mounted, gate } = claimed;
  const resources = spec.linux?.resources ?? {};
  const rdt = spec.linux?.intelRdt;
  if (rdt) undo.defer(() => leaveResctrl(rdt, options.id));

  using descriptors = new UndoStack();
  const namespaces = planNamespaces(spec.linux, descriptors);
  const plan = planInit(options, spec, process, { gate, cgroup, namespaces, mounted });
  const newUser = (namespaces.cloneFlags & CLONE.NEWUSER) !== 0;
  for (const [index, mount] of plan.rootfsMounts.entries()) {
    const tree = newUser ? detachedRoot(options.rootfsMounts?.[index] as MountPoint) : undefined;
    if (tree === undefined) continue;
    mount.tree = tree;
    descriptors.defer(() => closeSync(tree));
  }
  cloneSources(plan.mounts, spec.linux, descriptors);
  const join = () => {
    for (const { fd, flag } of namespaces.joins) setns(fd, flag);
  };

  // A container need not have a /proc to read them from.
  ignoredSignals();
  const bear = (): { newborn: Newborn; ready: Ready } => {
    using failed = new UndoStack();
    using fork = span?.child('fork');
    const newborn = spawn({
      cloneFlags: plan.cloneFlags,
      pidNamespace: namespaces.joinPid,
      intermediate: namespaces.needsIntermediate ? join : undefined,
      cgroupDirectory: plan.waitsForParent ? undefined : cgroup.location.paths[''],
      live: (channel) => runInit(plan, channel),
    });
    fork?.end();
    const { pid, channel } = newborn;
    failed.defer(() => channel.close());
    failed.defer(() => discardChild(newborn));
    if (newUser) writeIdMaps(pid, spec.linux?.uidMappings ?? [], spec.linux?.gidMappings ?? []);
    if (plan.waitsForParent) {
      // A user namespace has no right to the host's cgroup files, nor to better its score or its limits.
      setOomScore(pid, process.oomScoreAdj);
      cgroup.join(pid);
      if (cgroup.needsProcess) cgroup.apply(resources, 'create');
      raiseHardLimits(pid, plan.rlimits);
      sendGo(newborn);
    }
    const current: State = { ...plan.hookState, status: 'creating', pid };
    const ready = awaitReady(newborn, {
      passListener: (listener) => passListener(listener, spec, pid, current),
      runHooks() {
        moveNetDevices(spec.linux, pid, undo, held);
        runHooks('prestart', spec.hooks?.prestart, current);
        runHooks('createRuntime', spec.hooks?.createRuntime, current);
      },
    });
    failed.commit();
    return { newborn, ready };
  };
  const { newborn, ready } = retrying(bear);
  const { pid, channel } = newborn;
  using _channel = { [Symbol.dispose]: () => channel.close() };
  undo.defer(() => discardChild(newborn));
  const { master } = ready;
  if (master !== undefined) undo.defer(() => closeSync(master));

  if (rdt) enterResctrl(rdt, options.id, pid);
  if (!plan.hooks.runtime) moveNetDevices(spec.linux, pid, undo, held);
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
