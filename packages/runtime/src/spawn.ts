// The fork that becomes a container's init or an exec'd process, and the parent's side of its set-up: id maps, cgroup, limits,
// then the conversation over the channel until the child is ready.
import { closeSync, openSync } from 'node:fs';
import { EngineError, SysError } from '@berth/errdefs/engine-error';
import { exitNow } from '@berth/sys/fork';
import { CLONE, forkInto, kill, setns } from '@berth/sys/namespace';
import { O } from '@berth/sys/path';
import { blockSignals, getRlimit, setDumpable, setProcessName, setRlimitOf, undumpable } from '@berth/sys/process';
import type { SyscallProgram } from '@berth/sys/syscall-program';
import { type Exit, waitpid } from '@berth/sys/wait';
import type { Span } from '@berth/trace/tracer';
import { Channel, type ChildMessage, type Timing } from './channel.ts';
import type { ResolvedRlimit } from './rlimits.ts';

const SIGKILL = 9;

export interface Birth {
  /** Namespaces that clone makes. */
  cloneFlags: number;
  /** The pid namespace to be born in, when it is another one than the caller's. */
  pidNamespace: number | undefined;
  /** Runs in a process between the caller and the child: joins what must be joined before the child's user namespace. */
  intermediate: (() => void) | undefined;
  /** Its cgroup in the v2 hierarchy: the directory to be born in. Another user namespace would have no right to it. */
  cgroupDirectory: string | undefined;
  /** The child's life; never returns. */
  live: (channel: Channel) => never;
}

export interface Newborn {
  pid: number;
  /** Its pid may be anybody's by now. */
  reaped: boolean;
  channel: Channel;
}

/** The child is a direct child of the caller in every case, and waits for its first "go". */
export function spawn(birth: Birth): Newborn {
  const [parent, child] = Channel.pair();
  const unblock = blockSignals();
  try {
    using cgroup = openDirectory(birth.cgroupDirectory);
    const pid = birth.intermediate
      ? forkThrough(birth.intermediate, birth, parent, child)
      : inPidNamespace(birth.pidNamespace, () => bear(birth, parent, child, 0, cgroup.fd));
    child.close();
    return { pid, reaped: false, channel: parent };
  } catch (error) {
    parent.close();
    child.close();
    throw error;
  } finally {
    unblock();
  }
}

/**
 * Runs a program of system calls in place of a forked child's life. The pid of a child of the caller that has executed its program;
 * undefined when there is none: whatever was born did nothing lasting, and is reaped.
 */
export function spawnProgram(program: SyscallProgram, birth: Pick<Birth, 'pidNamespace' | 'cgroupDirectory'>): number | undefined {
  const unblock = blockSignals();
  try {
    using cgroup = openDirectory(birth.cgroupDirectory);
    // The child has the same memory, and nobody of the container may look into it (CVE-2019-5736, CVE-2016-9962).
    using _hidden = undumpable();
    const { pid, executed } = inPidNamespace(birth.pidNamespace, () => program.run(cgroup.fd === undefined ? {} : { cgroup: cgroup.fd }));
    if (executed) return pid;
    waitpid(pid);
    return undefined;
  } catch (error) {
    // No memory that may be executed, a kernel without these flags, a cgroup that takes nobody: the fork does it or knows why not.
    if (error instanceof SysError) return undefined;
    throw error;
  } finally {
    unblock();
  }
}

export function openDirectory(path: string | undefined): Disposable & { fd: number | undefined } {
  const fd = path === undefined ? undefined : openSync(path, O.PATH | O.DIRECTORY | O.CLOEXEC);
  return { fd, [Symbol.dispose]: () => fd !== undefined && closeSync(fd) };
}

function bear(birth: Birth, parent: Channel, child: Channel, flags: number, cgroup: number | undefined): number {
  const pid = forkInto(birth.cloneFlags | flags, cgroup === undefined ? {} : { cgroup });
  if (pid !== 0) return pid;
  try {
    parent.close();
    // A directory of the host: nothing that a container's process could enter by /proc/self/fd (CVE-2024-21626).
    if (cgroup !== undefined) closeSync(cgroup);
    setProcessName('berth:[init]');
    birth.live(child);
  } finally {
    exitNow(1);
  }
}

/** A process' pid namespace never changes, but the one of its next children does, and changes back. */
function inPidNamespace<T>(fd: number | undefined, body: () => T): T {
  if (fd === undefined) return body();
  const own = openSync('/proc/self/ns/pid', 'r');
  try {
    setns(fd, CLONE.NEWPID);
    try {
      return body();
    } finally {
      setns(own, CLONE.NEWPID);
    }
  } finally {
    closeSync(own);
  }
}

/**
 * With CLONE_PARENT the grandchild becomes the caller's child; the process between reports its pid and ends. It has a channel of its own for
 * that, whose end is its death: a grandchild that nobody knows of finds its own channel closed.
 */
function forkThrough(join: () => void, birth: Birth, parent: Channel, child: Channel): number {
  const [reports, report] = Channel.pair();
  using _reports = { [Symbol.dispose]: () => reports.close() };
  let between: number;
  try {
    between = forkInto(0);
  } catch (error) {
    report.close();
    throw error;
  }
  if (between === 0) {
    try {
      setDumpable(false);
      join();
      if (birth.pidNamespace !== undefined) setns(birth.pidNamespace, CLONE.NEWPID);
      // The child's /proc files must be the parent's to write.
      setDumpable(true);
      const live = (channel: Channel) => {
        report.close();
        reports.close();
        birth.live(channel);
      };
      report.send({ type: 'forked', pid: bear({ ...birth, live }, parent, child, CLONE.PARENT, undefined) });
    } catch (error) {
      report.sendError(error);
    }
    exitNow(0);
  }
  report.close();
  const reply = reports.receive<ChildMessage>();
  const exit = waitpid(between);
  if (reply?.message.type === 'forked') return reply.message.pid;
  if (reply?.message.type === 'error') throw new EngineError(reply.message.kind, reply.message.message, { layer: 'runtime' });
  throw deathError('unable to start container process: the process that joins namespaces', exit);
}

export interface Ready {
  /** The terminal's master. */
  master: number | undefined;
  timings: Timing[];
}

/** Lets a child go on that waits for its parent. */
export function sendGo(newborn: Newborn): void {
  try {
    newborn.channel.send({ type: 'go' });
  } catch (error) {
    if (error instanceof SysError && error.code === 'EPIPE') throw deathOf(newborn);
    throw error;
  }
}

/** What the parent does while a child is being set up. */
export interface Midwife {
  /** Gives the descriptor of the filter's supervisor to it, and closes it. */
  passListener(listener: number): void;
  /** The runtime's own hooks. */
  runHooks?(): void;
}

/** Talks to the child until it is ready. */
export function awaitReady(newborn: Newborn, midwife: Midwife): Ready {
  for (;;) {
    const received = newborn.channel.receive<ChildMessage>();
    if (!received) throw deathOf(newborn);
    const { message, fds } = received;
    if (message.type === 'ready') return { master: fds[0], timings: message.timings };
    if (message.type === 'error') throw startError(message);
    if (message.type === 'listener' && fds[0] !== undefined) midwife.passListener(fds[0]);
    if (message.type === 'hooks') {
      midwife.runHooks?.();
      sendGo(newborn);
    }
  }
}

export function startError(message: Extract<ChildMessage, { type: 'error' }>): EngineError {
  return new EngineError(message.kind, `unable to start container process: error during container init: ${message.message}`, {
    layer: 'runtime',
    details: { code: message.code },
  });
}

/** A fork of a JavaScript engine can fail by the child's crash: its first page fault. */
class ForkCrash extends EngineError {}

const FORK_ATTEMPTS = 3;

/** Spawns again when the forked engine crashed before it could report; `attempt` leaves nothing of one that failed. */
export function retryingCrashes<T>(attempt: () => T): T {
  for (let tries = 1; ; tries++) {
    try {
      return attempt();
    } catch (error) {
      if (!(error instanceof ForkCrash) || tries === FORK_ATTEMPTS) throw error;
    }
  }
}

function deathOf(newborn: Newborn): EngineError {
  const exit = waitpid(newborn.pid);
  newborn.reaped = true;
  return deathError('unable to start container process: init', exit);
}

function deathError(who: string, exit: Exit | undefined): EngineError {
  const how = exit?.signal ? `was killed by signal ${exit.signal}` : `exited with ${exit?.status}`;
  const message = `${who} ${how} before it was set up`;
  // SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGSEGV
  const crashed = [4, 5, 6, 7, 11].includes(exit?.signal ?? 0);
  return crashed
    ? new ForkCrash('Internal', message, { layer: 'runtime' })
    : new EngineError('Internal', message, { layer: 'runtime', details: { signal: exit?.signal } });
}

/** Kills and reaps a child that is not to live. */
export function discardChild(newborn: Newborn): void {
  if (newborn.reaped) return;
  kill(newborn.pid, SIGKILL);
  waitpid(newborn.pid);
  newborn.reaped = true;
}

/** Root of a user namespace may not raise a hard limit: its parent does, where one has to be raised. The child sets the limits itself. */
export function raiseHardLimits(pid: number, rlimits: readonly ResolvedRlimit[]): void {
  for (const { resource, hard } of rlimits) {
    const current = getRlimit(resource);
    if (hard > current.hard) setRlimitOf(pid, resource, current.soft, hard);
  }
}

export function recordTimings(span: Span | undefined, timings: readonly Timing[]): void {
  for (const [name, startNs, endNs] of timings) span?.record(name, startNs, endNs);
}
