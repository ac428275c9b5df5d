// A further process in a running container: the parent's side, and the child that joins init's namespaces, which are all named at once
// by init's pidfd (setns(2), Linux 5.8). The ordinary child is a program of system calls (exec-program.ts); what that cannot do, or could
// not, a fork does.
import { closeSync, openSync, readFileSync } from 'node:fs';
import type { Process, State } from '@berth/oci/runtime-spec';
import { exitNow } from '@berth/sys/fork';
import { CLONE, pidfdOpen, setns } from '@berth/sys/namespace';
import { O } from '@berth/sys/path';
import * as sys from '@berth/sys/process';
import { validateProcess } from './bundle.ts';
import type { Cgroup } from './cgroup/cgroup.ts';
import { loadFiles } from './cgroup/open.ts';
import { subCgroup } from './cgroup/sub-cgroup.ts';
import type { Channel, ChildMessage } from './channel.ts';
import type { ExecOptions, ExecResult } from './container-options.ts';
import { type Affinity, execAffinity } from './cpu-affinity.ts';
import { execProgram, suitsProgram } from './exec-program.ts';
import { confine, executeProgram, prepareProgram, useDescriptors } from './init/become-program.ts';
import { openTerminal, useTerminal } from './init/console.ts';
import { setOomScore } from './oom-score.ts';
import { NAMESPACE_FLAGS, type ProcessPlan } from './plan.ts';
import { planProcess } from './process-plan.ts';
import { passListener } from './seccomp-listener.ts';
import {
  awaitReady,
  discardChild,
  type Newborn,
  type Ready,
  raiseHardLimits,
  retryingCrashes,
  sendGo,
  spawn,
  spawnProgram,
  startError,
} from './spawn.ts';
import { filterDirectory, type SavedState } from './state-file.ts';
import { UndoStack } from './undo.ts';

export function exec(root: string, container: SavedState, process: Process, options: ExecOptions): ExecResult {
  using undo = new UndoStack();
  using descriptors = new UndoStack();
  validateProcess(process, 'process');
  const cgroup = loadFiles(options.cgroup === undefined ? container.cgroup : subCgroup(container.cgroup, options.cgroup));
  const linux = container.spec.linux ?? {};
  const types = (linux.namespaces ?? []).map(({ type }) => type);
  // The clock's namespace of a running process is joined only for its children; the cgroup's gives nothing but a view.
  const flags = types.reduce((all, type) => all | NAMESPACE_FLAGS[type], 0) & ~CLONE.NEWPID;
  const init = pidfdOpen(container.pid);
  descriptors.defer(() => closeSync(init));
  const plan = planProcess(process, {
    stdio: options.stdio,
    linux,
    filterDirectory: filterDirectory(root),
    preserveFds: options.preserveFds ?? 0,
    setgroupsDenied: globalThis.process.geteuid?.() !== 0 && readFileSync(`/proc/${container.pid}/setgroups`, 'latin1').startsWith('deny'),
  });
  const joinsUser = types.includes('user');
  const oomScore = process.oomScoreAdj ?? container.spec.process?.oomScoreAdj;
  const birth = {
    pidNamespace: types.includes('pid') ? init : undefined,
    cgroupDirectory: joinsUser ? undefined : cgroup.location.paths[''],
  };
  const affinity = execAffinity(process);
  const place = { init, namespaces: flags, taskFiles: cgroup.taskFiles(), oomScore, affinity };
  if (suitsProgram(plan, place)) {
    const pid = spawnProgram(execProgram(plan, place), birth);
    if (pid !== undefined) {
      options.span?.set('child', 'program');
      return { pid };
    }
  }
  options.span?.set('child', 'fork');
  const { id, bundle, spec } = container;
  const bear = (): { newborn: Newborn; ready: Ready } => {
    using failed = new UndoStack();
    const newborn = spawn({
      ...birth,
      cloneFlags: 0,
      intermediate: joinsUser ? () => setns(init, CLONE.NEWUSER) : undefined,
      live: (channel) => live(plan, channel, init, cgroup, { oomScore, affinity }, joinsUser ? flags & ~CLONE.NEWUSER : flags, joinsUser),
    });
    const { pid, channel } = newborn;
    failed.defer(() => channel.close());
    failed.defer(() => discardChild(newborn));
    if (joinsUser) {
      setOomScore(pid, oomScore);
      cgroup.join(pid);
      raiseHardLimits(pid, plan.rlimits);
      sendGo(newborn);
    }
    const state: State = { ociVersion: spec.ociVersion, id, status: 'running', pid: container.pid, bundle };
    const ready = awaitReady(newborn, { passListener: (listener) => passListener(listener, spec, pid, state) });
    failed.commit();
    return { newborn, ready };
  };
  const { newborn, ready } = retryingCrashes(bear);
  const { pid, channel } = newborn;
  undo.defer(() => discardChild(newborn));
  using _channel = { [Symbol.dispose]: () => channel.close() };
  const { master } = ready;
  if (master !== undefined) undo.defer(() => closeSync(master));
  channel.send({ type: 'go' });
  // The end of the stream is the execve; an error is what came in its place.
  const failure = channel.receive<ChildMessage>();
  if (failure?.message.type === 'error') throw startError(failure.message);
  undo.commit();
  return master === undefined ? { pid } : { pid, consoleMaster: master };
}

function live(
  plan: ProcessPlan,
  channel: Channel,
  init: number,
  cgroup: Cgroup,
  { oomScore, affinity }: { oomScore: number | undefined; affinity: Affinity },
  flags: number,
  inUserNamespace: boolean,
): never {
  try {
    if (inUserNamespace) channel.awaitGo();
    else {
      setOomScore('self', oomScore);
      if (affinity.beforeCgroup) sys.setAffinity(affinity.beforeCgroup);
      cgroup.joinAsThread();
    }
    if (affinity.inCgroup) sys.setAffinity(affinity.inCgroup);
    // From the moment it is visible in the container, nobody there may look into this process (CVE-2019-5736, CVE-2016-9962).
    sys.setDumpable(false);
    if (flags) setns(init, flags);
    if (inUserNamespace) {
      sys.setGid(0);
      sys.setUid(0);
    }
    closeSync(init);
    sys.setsid();
    let master: number | undefined;
    if ('stdin' in plan.stdio) useDescriptors(plan.stdio);
    else {
      const root = openSync('/', O.PATH | O.DIRECTORY | O.CLOEXEC);
      const terminal = openTerminal(root, plan.stdio.terminal);
      closeSync(root);
      useTerminal(terminal);
      master = terminal.master;
    }
    const program = prepareProgram(plan, (listener) => channel.sendListener(listener));
    channel.sendReady([], master);
    channel.awaitGo();
    confine(plan);
    executeProgram(plan, program);
  } catch (error) {
    try {
      channel.sendError(error);
    } catch {
      // The parent is gone.
    }
  }
  exitNow(1);
}
