// One run of criu (https://criu.org), which saves and restores processes: started as `criu swrk 3` by its caller, spoken to over a packet
// socket in its own protocol (proto/criu/rpc.proto). Runs in the caller, which waits: nothing here uses the event loop.
//
// criu answers a request with notifications, each of which it wants acknowledged before it goes on, and then with the result.
import { accessSync, closeSync, constants, openSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError, SysError } from '@berth/errdefs/engine-error';
import { Request, RequestType, Response } from '@berth/rpc/gen/criu/rpc';
import type { Init } from '@berth/rpc/wire/message';
import { receiveWithFds, sendWithFds, socketPair } from '@berth/sys/fd-passing';
import { exitNow } from '@berth/sys/fork';
import { dup2, dupAbove, O } from '@berth/sys/path';
import { closeOnExecFrom, defaultSignals, execve, unblockAllSignals } from '@berth/sys/process';
import { waitpid } from '@berth/sys/wait';
import type { Cgroup } from '../cgroup/cgroup.ts';
import type { Channel } from '../channel.ts';
import { ignoredSignals } from '../signals.ts';
import { awaitReady, discardChild, retryingCrashes, spawn } from '../spawn.ts';
import { UndoStack } from '../undo.ts';

export interface CriuProcess {
  /** A path, or a command to look up; `criu` when it is left out. */
  program?: string | undefined;
  /** Its 0, 1 and 2: /dev/null when left out. */
  stdio?: { stdin: number; stdout: number; stderr: number } | undefined;
  /** Absolute. It opens them in its own mount namespace, where it has to mount. */
  directories: { images: string; work: string };
  /** Become its descriptors from FIRST_INHERITED on. */
  inherited?: readonly number[];
  /** It, and what it restores, lives there. */
  cgroup?: Cgroup;
  /** Namespaces of its own. */
  cloneFlags?: number;
  /** Runs in the child before criu does. */
  prepare?: () => void;
}

export interface Answer extends Response {
  /** Descriptors that came along, the receiver's to close. */
  fds: number[];
}

/** Its descriptors after 0, 1 and 2. */
const SOCKET = 3;
export const IMAGES = 4;
export const WORK = 5;
export const FIRST_INHERITED = 6;
const LARGEST_ANSWER = 65_536;

export class Criu implements Disposable {
  readonly pid: number;
  #socket: number;

  /** A running criu, and its socket, which is closed by disposing. */
  constructor(pid: number, socket: number) {
    this.pid = pid;
    this.#socket = socket;
  }

  static start(process: CriuProcess): Criu {
    const program = findCriu(process.program);
    return retryingCrashes(() => launch(program, process));
  }

  /** Sends a request; the first notification, or the result. */
  ask(request: Init<Request>): Answer {
    return this.#exchange(request);
  }

  /** Lets criu go on after a notification. */
  acknowledge(): Answer {
    return this.#exchange({ type: RequestType.NOTIFY, notifySuccess: true });
  }

  /** Ends the conversation and waits for criu's end; in the middle of one, criu takes back what it did. */
  [Symbol.dispose](): void {
    if (this.#socket < 0) return;
    closeSync(this.#socket);
    this.#socket = -1;
    waitpid(this.pid);
  }

  #exchange(request: Init<Request>): Answer {
    try {
      sendWithFds(this.#socket, Request.encode(request), []);
    } catch (error) {
      if (error instanceof SysError && error.code === 'EPIPE') throw this.#gone();
      throw error;
    }
    const { data, fds } = receiveWithFds(this.#socket, LARGEST_ANSWER);
    if (data.length === 0) throw this.#gone();
    const answer = Response.decode(data);
    if (!answer.success) {
      for (const fd of fds) closeSync(fd);
      throw failure(`type ${nameOf(answer.type)} errno ${answer.crErrno}`);
    }
    return { ...answer, fds };
  }

  #gone(): EngineError {
    const exit = waitpid(this.pid);
    const how = exit?.signal ? `killed by signal ${exit.signal}` : exit ? `exit status ${exit.status}` : 'unexpected EOF';
    return failure(how);
  }
}

/** In runc's words; the reason is in the log. */
function failure(what: string): EngineError {
  return new EngineError('Internal', `criu failed: ${what}`, { layer: 'runtime' });
}

function nameOf(type: RequestType): string {
  return Object.entries(RequestType).find(([, value]) => value === type)?.[0] ?? String(type);
}

function launch(program: string, options: CriuProcess): Criu {
  const { stdio, cgroup, cloneFlags = 0 } = options;
  using undo = new UndoStack();
  using opened = new UndoStack();
  let standard = stdio;
  if (!standard) {
    const nothing = openSync('/dev/null', 'r+');
    opened.defer(() => closeSync(nothing));
    standard = { stdin: nothing, stdout: nothing, stderr: nothing };
  }
  const { stdin, stdout, stderr } = standard;
  const newborn = spawn({
    cloneFlags,
    pidNamespace: undefined,
    intermediate: undefined,
    cgroupDirectory: cgroup?.location.paths[''],
    live: (channel) => becomeCriu(program, [stdin, stdout, stderr], options, channel),
  });
  opened.defer(() => newborn.channel.close());
  undo.defer(() => discardChild(newborn));
  const { master: socket } = awaitReady(newborn, { passListener: closeSync });
  if (socket === undefined) throw new EngineError('Internal', 'criu could not be started', { layer: 'runtime' });
  undo.commit();
  return new Criu(newborn.pid, socket);
}

/**
 * The socket pair is made here because criu takes the maker's descriptors for those that a request names, and opens them again by their
 * /proc entries: directories of the caller's mount namespace would be of no use to it.
 */
function becomeCriu(program: string, standard: readonly number[], options: CriuProcess, channel: Channel): never {
  try {
    options.cgroup?.joinAsThread();
    options.prepare?.();
    const [callers, own] = socketPair('packet');
    const { images, work } = options.directories;
    const directories = [images, work].map((path) => openSync(path, O.DIRECTORY | O.CLOEXEC));
    const fds = [...standard, own, ...directories, ...(options.inherited ?? [])];
    // Sources may be in the way of targets: first all above, then all down. The channel closes with the execve.
    const above = fds.map((fd) => dupAbove(fd, fds.length + 16));
    channel.sendReady([], callers);
    for (const [target, fd] of above.entries()) dup2(fd, target);
    closeOnExecFrom(fds.length);
    defaultSignals(ignoredSignals());
    unblockAllSignals();
    execve(program, [program, 'swrk', String(SOCKET)], environment());
  } catch (error) {
    channel.sendError(error);
  }
  exitNow(1);
}

function environment(): string[] {
  return Object.entries(process.env).flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${value}`]));
}

/** As a shell finds it. */
function findCriu(program = 'criu'): string {
  const candidates = program.includes('/')
    ? [program]
    : (process.env.PATH ?? '').split(':').map((directory) => join(directory || '.', program));
  for (const path of candidates) {
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // The next directory.
    }
  }
  const where = program.includes('/') ? '' : ' in $PATH';
  throw new EngineError('FailedPrecondition', `checkpoint and restore need criu: there is no ${program}${where}`, { layer: 'runtime' });
}
