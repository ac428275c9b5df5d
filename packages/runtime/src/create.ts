// Creating a container: the parent's side. Each step that acquires something says how it is given back; when a later one fails
// nothing is left. Spawning is retried when the forked engine crashed before it could report.
import { closeSync } from 'node:fs';
import { EngineError } from '@berth/errdefs/engine-error';
import type { Process, Spec, State } from '@berth/oci/runtime-spec';
import { CLONE, setns } from '@berth/sys/namespace';
import type { Span } from '@berth/trace/tracer';
import { readBundle, validateSpec } from './bundle.ts';
import type { Cgroup } from './cgroup/cgroup.ts';
import { claim, type Place } from './claim.ts';
import type { CreateOptions, MountPoint } from './container-options.ts';
import { runHooks } from './hooks.ts';
import { writeIdMaps } from './id-maps.ts';
import { runInit } from './init/init.ts';
import { hasRuntimeHooks, hookState, planInit } from './init-plan.ts';
import { cloneSources } from './mount-sources.ts';
import { type NamespacePlan, planNamespaces } from './namespaces.ts';
import { moveNetDevices } from './net-devices.ts';
import { setOomScore } from './oom-score.ts';
import type { InitPlan } from './plan.ts';
import { suitsPrepared } from './prepared-init.ts';
import { processStatus } from './process-status.ts';
import { detachedRoot } from './remapped-root.ts';
import { enterResctrl, leaveResctrl } from './resource-director.ts';
import { passListener } from './seccomp-listener.ts';
import { ignoredSignals } from './signals.ts';
import {
  awaitReady,
  discardChild,
  type Newborn,
  type Ready,
  raiseHardLimits,
  recordTimings,
  retryingCrashes,
  sendGo,
  spawn,
} from './spawn.ts';
import { draftInit, publishInit, type SavedState } from './state-file.ts';
import { UndoStack } from './undo.ts';

export interface Created {
  state: SavedState;
  master: number | undefined;
}

export function create(options: CreateOptions): Created {
  const { span } = options;
  return span ? span.during('runtime.create', (child) => build(options, child), 'runtime') : build(options, undefined);
}

function build(options: CreateOptions, span: Span | undefined): Created {
  using prepared = options.prepared;
  // Outlives `undo`, which may need what it holds.
  using held = new UndoStack();
  using undo = new UndoStack();
  const spec = options.spec ?? readBundle(options.bundle);
  const process = processOf(options, spec);
  using descriptors = new UndoStack();
  let namespaces: NamespacePlan | undefined;
  const order = (place: Place) => {
    namespaces = planNamespaces(spec.linux, descriptors);
    prepared?.order(options, spec, place, namespaces);
  };
  const suits = prepared !== undefined && suitsPrepared(options, spec);
  if (!suits) prepared?.end();
  using claimed = claim(options, spec, undo, span, suits ? order : undefined);
  const { directory, state, cgroup, mounted, gate } = claimed;
  const rdt = spec.linux?.intelRdt;
  if (rdt) undo.defer(() => leaveResctrl(rdt, options.id));

  namespaces ??= planNamespaces(spec.linux, descriptors);
  const joined = namespaces;
  let plan: InitPlan | undefined;
  const planned = () => {
    if (plan) return plan;
    plan = planInit(options, spec, process, { gate, cgroup, namespaces: joined, mounted });
    prepareMounts(options, plan, descriptors);
    return plan;
  };
  // A prepared init has its own.
  if (!suits) planned();
  const bear = () => {
    using fork = span?.child('fork');
    const newborn = prepared?.bear(cgroup.location.paths['']);
    if (newborn) fork?.set('prepared', true);
    return newborn ?? forkInit(planned(), joined, cgroup);
  };
  const moveDevices = (pid: number) => moveNetDevices(spec.linux, pid, undo, held);

  // A container need not have a /proc to read them from.
  ignoredSignals();
  const born = (pid: number) => {
    state.pid = pid;
    state.startTime = processStatus(pid)?.startTime ?? 0;
    draftInit(directory, state);
    options.born?.(pid);
  };
  const { newborn, ready } = retryingCrashes(() => awaitInit(bear, spec, hookState(options, spec), { born, moveDevices }));
  const { pid, channel } = newborn;
  using _channel = { [Symbol.dispose]: () => channel.close() };
  undo.defer(() => discardChild(newborn));
  const { master } = ready;
  if (master !== undefined) undo.defer(() => closeSync(master));

  if (rdt) enterResctrl(rdt, options.id, pid);
  if (!hasRuntimeHooks(spec)) moveDevices(pid);
  recordTimings(span, ready.timings);
  publishInit(directory);
  // From here on init waits for its start; had we died before, it would have ended too.
  sendGo(newborn);
  undo.commit();
  return { state, master };
}

/** The process of a specification that was checked. */
function processOf(options: CreateOptions, spec: Spec): Process {
  validateSpec(spec);
  if (!spec.process) throw new EngineError('InvalidArgument', 'config.json: process is missing', { layer: 'runtime' });
  if (options.rootfsMounts?.length && !spec.linux?.namespaces?.some(({ type }) => type === 'mount'))
    throw new EngineError('InvalidArgument', 'mounts for the root filesystem need a mount namespace of the container', {
      layer: 'runtime',
    });
  return spec.process;
}

/** Mounts that init, in a user namespace, could not make or reach: made here, for init to attach. */
function prepareMounts(options: CreateOptions, plan: InitPlan, descriptors: UndoStack): void {
  if (plan.cloneFlags & CLONE.NEWUSER) {
    for (const [index, mount] of plan.rootfsMounts.entries()) {
      const tree = detachedRoot(options.rootfsMounts?.[index] as MountPoint);
      if (tree === undefined) continue;
      mount.tree = tree;
      descriptors.defer(() => closeSync(tree));
    }
  }
  cloneSources(plan.mounts, plan.linux, descriptors);
}

/** Forks init and does for it what it has no right to. */
function forkInit(plan: InitPlan, namespaces: NamespacePlan, cgroup: Cgroup): Newborn {
  const { spec, process } = plan;
  using failed = new UndoStack();
  const join = () => {
    for (const { fd, flag } of namespaces.joins) setns(fd, flag);
  };
  const newborn = spawn({
    cloneFlags: plan.cloneFlags,
    pidNamespace: namespaces.joinPid,
    intermediate: namespaces.needsIntermediate ? join : undefined,
    cgroupDirectory: plan.waitsForParent ? undefined : cgroup.location.paths[''],
    live: (channel) => runInit(plan, channel),
  });
  const { pid, channel } = newborn;
  failed.defer(() => channel.close());
  failed.defer(() => discardChild(newborn));
  if (plan.cloneFlags & CLONE.NEWUSER) writeIdMaps(pid, spec.linux?.uidMappings ?? [], spec.linux?.gidMappings ?? []);
  if (plan.waitsForParent) {
    // A user namespace has no right to the host's cgroup files, nor to better its score or its limits.
    setOomScore(pid, process.oomScoreAdj);
    cgroup.join(pid);
    if (cgroup.needsProcess) cgroup.apply(spec.linux?.resources ?? {}, 'create');
    raiseHardLimits(pid, plan.rlimits);
    sendGo(newborn);
  }
  failed.commit();
  return newborn;
}

/** Waits until a newborn init is ready: the runtime hooks have run then. */
function awaitInit(
  bear: () => Newborn,
  spec: Spec,
  state: State,
  { born, moveDevices }: { born: (pid: number) => void; moveDevices: (pid: number) => void },
): { newborn: Newborn; ready: Ready } {
  using failed = new UndoStack();
  const newborn = bear();
  const { pid, channel } = newborn;
  failed.defer(() => channel.close());
  failed.defer(() => discardChild(newborn));
  // It is at work by now, and nobody waits for this.
  born(pid);
  const current: State = { ...state, status: 'creating', pid };
  const ready = awaitReady(newborn, {
    passListener: (listener) => passListener(listener, spec, pid, current),
    runHooks() {
      moveDevices(pid);
      runHooks('prestart', spec.hooks?.prestart, current);
      runHooks('createRuntime', spec.hooks?.createRuntime, current);
    },
  });
  failed.commit();
  return { newborn, ready };
}
