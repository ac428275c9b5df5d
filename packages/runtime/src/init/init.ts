// The life of a container's init until it executes the user's program: one function, in the order in which things happen. It runs in a
// child that clone() put into the new namespaces, with all signals blocked, and makes system calls only.
import { closeSync, mkdirSync, openSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { EngineError } from '@berth/errdefs/engine-error';
import { closeFd } from '@berth/sys/byte-path';
import { exitNow } from '@berth/sys/fork';
import { errnoText } from '@berth/sys/libc';
import { bringUpLoopback } from '@berth/sys/loopback';
import { CLONE, POLLIN, poll, setns, unshare } from '@berth/sys/namespace';
import { dup2, fchdir, O, openInRoot } from '@berth/sys/path';
import * as sys from '@berth/sys/process';
import type { Channel, Timing } from '../channel.ts';
import { ALL_CPUS } from '../cpu-affinity.ts';
import { runHooks } from '../hooks.ts';
import { setOomScore } from '../oom-score.ts';
import type { InitPlan } from '../plan.ts';
import { confine, executeProgram, isNullDevice, prepareProgram, useDescriptors } from './become-program.ts';
import { bindConsole, openTerminal, type Terminal, useTerminal } from './console.ts';
import { makeDevices, needsDevices, reopenNull } from './devices.ts';
import { makeReadOnly, mask, writeSysctls } from './restrict-paths.ts';
import { changeRoot, finishRoot, makeMounts, prepareRoot } from './rootfs.ts';
import { canWaitAsProgram, waitAsProgram } from './wait-as-program.ts';

/** Never returns. What goes wrong before "ready" is told to the parent; after it, on the container's own standard error. */
export function runInit(plan: InitPlan, channel: Channel): never {
  try {
    const program = setUp(plan, channel);
    // The parent has written down who we are: until then its death must be ours.
    channel.awaitGo();
    try {
      channel.close();
      if (canWaitAsProgram(plan)) waitAsProgram(plan, program);
      // The creator's connections are not this process' to keep: who talks to a creator that dies would not see their end.
      closeDescriptors(plan);
      poll(plan.gate, POLLIN, -1);
      // These hooks run under the filter too.
      confine(plan);
      runHooks('startContainer', plan.hooks.startContainer, { ...plan.hookState, status: 'created', pid: 1 });
      executeProgram(plan, program);
    } catch (error) {
      writeSync(2, `${(error as Error).message}\n`);
    }
  } catch (error) {
    try {
      channel.sendError(error);
    } catch {
      // The parent is gone, and with it whoever wanted to know.
    }
  }
  exitNow(1);
}

function closeDescriptors({ preserveFds, gate, closesUpTo }: InitPlan): void {
  const first = 3 + preserveFds;
  if (closesUpTo === undefined) sys.closeFrom(first, gate);
  else for (let fd = first; fd <= closesUpTo; fd++) if (fd !== gate) closeFd(fd);
}

function setUp(plan: InitPlan, channel: Channel): string {
  const timings: Timing[] = [];
  let since = now();
  const lap = (name: string) => {
    const end = now();
    timings.push([name, since, end]);
    since = end;
  };
  if (plan.waitsForParent) channel.awaitGo();
  else setOomScore('self', plan.process.oomScoreAdj);
  plan.joinCgroup?.joinAsThread();
  sys.setAffinity(ALL_CPUS);
  enterNamespaces(plan);
  sys.setsid();
  sys.umask(0);
  if (!plan.noNewKeyring) sys.joinSessionKeyring(`_ses.${plan.id}`);
  if (plan.cloneFlags & CLONE.NEWNET) bringUpLoopback();
  lap('init.namespaces');
  const root = makeRoot(plan);
  const terminal = 'terminal' in plan.stdio ? openTerminal(root, plan.stdio.terminal) : undefined;
  if (terminal && plan.has.mount) bindConsole(root, terminal);
  lap('init.mounts');
  if (plan.hooks.runtime) {
    channel.send({ type: 'hooks' });
    channel.awaitGo();
  }
  // These begin in the root file system, which is not the root yet.
  if (plan.hooks.createContainer.length) fchdir(root);
  runHooks('createContainer', plan.hooks.createContainer, { ...plan.hookState, status: 'creating', pid: process.pid });
  enterRoot(plan, root, () => useStreams(plan, terminal));
  lap('init.root');
  const program = prepareProgram(plan, (listener) => channel.sendListener(listener));
  lap('init.identity');
  channel.sendReady(timings, terminal?.master);
  return program;
}

/** The root file system with everything mounted in it, as a descriptor. */
export function makeRoot(plan: InitPlan): number {
  const root = prepareRoot(plan);
  makeMounts(plan, root);
  if (needsDevices(plan)) makeDevices(plan, root);
  return root;
}

/** From here on the host's files are gone. `atHome` runs as soon as the container's /dev is there. */
export function enterRoot(plan: InitPlan, root: number, atHome: (() => void) | undefined): void {
  changeRoot(plan, root);
  atHome?.();
  makeWorkingDirectory(plan.process.cwd);
  finishRoot(plan);
  restrict(plan);
}

function enterNamespaces(plan: InitPlan): void {
  for (const { fd, flag } of plan.joins) {
    setns(fd, flag);
    closeSync(fd);
  }
  if (plan.has.user) {
    // User 0 of the new namespace; the parent has written its maps.
    if (!plan.setgroupsDenied) sys.setGroups([]);
    sys.setGid(0);
    sys.setUid(0);
  }
  if (plan.lateFlags) unshare(plan.lateFlags);
  const offsets = Object.entries(plan.spec.linux?.timeOffsets ?? {});
  if (offsets.length)
    writeFileSync(
      '/proc/self/timens_offsets',
      offsets.map(([clock, { secs = 0, nanosecs = 0 }]) => `${clock} ${secs} ${nanosecs}`).join('\n'),
    );
}

function useStreams(plan: InitPlan, terminal: Terminal | undefined): void {
  if (terminal) useTerminal(terminal);
  else if ('stdin' in plan.stdio) {
    useDescriptors(plan.stdio);
    if (plan.has.mount) reopenNull(isNullDevice, dup2);
  }
}

function restrict(plan: InitPlan): void {
  const { spec } = plan;
  if (plan.has.uts && spec.hostname) sys.setHostname(spec.hostname);
  if (plan.has.uts && spec.domainname) sys.setDomainname(spec.domainname);
  const root = openSync('/', O.PATH | O.DIRECTORY | O.CLOEXEC);
  writeSysctls(root, spec.linux?.sysctl ?? {});
  makeReadOnly(root, spec.linux?.readonlyPaths ?? []);
  mask(root, spec.linux?.maskedPaths ?? []);
  closeSync(root);
  const { apparmorProfile, selinuxLabel } = plan.process;
  if (apparmorProfile) setLabel(`apparmor/exec`, `exec ${apparmorProfile}`);
  if (selinuxLabel) setLabel('exec', selinuxLabel);
}

/** An image need not have the directory that its program starts in. Node's own recursion would never end where /proc makes none. */
function makeWorkingDirectory(path: string): void {
  const parts = path.split('/').filter(Boolean);
  for (const [index] of parts.entries()) {
    const directory = `/${parts.slice(0, index + 1).join('/')}`;
    try {
      mkdirSync(directory, 0o755);
    } catch (cause) {
      const { code = 'EIO' } = cause as NodeJS.ErrnoException;
      const isThere = code === 'EEXIST';
      if (isThere && (index < parts.length - 1 || statSync(directory, { throwIfNoEntry: false })?.isDirectory())) continue;
      throw new EngineError('InvalidArgument', `mkdir ${directory}: ${errnoText(isThere ? 'ENOTDIR' : code)}`, { layer: 'runtime', cause });
    }
  }
}

/** Takes effect at execve. */
function setLabel(file: string, value: string): void {
  try {
    const root = openSync('/', O.PATH | O.DIRECTORY | O.CLOEXEC);
    const fd = openInRoot(root, `/proc/thread-self/attr/${file}`, O.WRONLY);
    writeSync(fd, value);
    closeSync(fd);
    closeSync(root);
  } catch (cause) {
    throw new EngineError('FailedPrecondition', `unable to apply the security label ${value}: ${(cause as Error).message}`, {
      layer: 'runtime',
      cause,
    });
  }
}

function now(): number {
  return Number(process.hrtime.bigint());
}
