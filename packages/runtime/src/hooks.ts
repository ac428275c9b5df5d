// Hooks (runtime-spec config.md "POSIX-platform Hooks"): programs that get the container's state on standard input. The kinds prestart,
// createRuntime, poststart and poststop run in the runtime's process, createContainer and startContainer in init, which is a forked
// child without an event loop: hence fork, pipes and poll here, not child_process.
import { closeSync, readSync, writeSync } from 'node:fs';
import { EngineError } from '@berth/errdefs/engine-error';
import type { Hook, HookKind, State } from '@berth/oci/runtime-spec';
import { shutdownWrite, socketPair } from '@berth/sys/fd-passing';
import { exitNow, fork } from '@berth/sys/fork';
import { kill, pidfdOpen, POLLIN, poll } from '@berth/sys/namespace';
import { dup2 } from '@berth/sys/path';
import { blockSignals, closeOnExecFrom, defaultSignals, execve, unblockAllSignals } from '@berth/sys/process';
import { waitpid } from '@berth/sys/wait';
import { ignoredSignals } from './signals.ts';

const SIGKILL = 9;
/** What of a failed hook's output goes into the error. */
const KEPT_OUTPUT = 4096;

/** Runs hooks in order; the first failure ends it. */
export function runHooks(kind: HookKind, hooks: readonly Hook[] | undefined, state: State): void {
  for (const [index, hook] of (hooks ?? []).entries()) runHook(`${kind} hook #${index}`, hook, state);
}

function runHook(name: string, hook: Hook, state: State): void {
  const [ours, theirs] = socketPair('stream');
  const unblock = blockSignals();
  const pid = fork();
  if (pid === 0) becomeHook(hook, theirs);
  unblock();
  closeSync(theirs);
  const pidfd = pidfdOpen(pid);
  try {
    const timely = deliver(ours, `${JSON.stringify(state)}`) && poll(pidfd, POLLIN, hook.timeout ? hook.timeout * 1000 : -1) !== 0;
    if (!timely) kill(pid, SIGKILL);
    const exit = waitpid(pid);
    if (!timely) throw failure(name, `hook ran past specified timeout of ${(hook.timeout ?? 0).toFixed(1)}s`, '');
    if (exit?.status !== 0) throw failure(name, exit?.signal ? `signal: ${exit.signal}` : `exit status ${exit?.status}`, readOutput(ours));
  } finally {
    closeSync(pidfd);
    closeSync(ours);
  }
}

/** One socket is the hook's standard input, output and error: the state fits into its buffer, so no side waits for the other. */
function becomeHook(hook: Hook, socket: number): never {
  try {
    dup2(socket, 0);
    dup2(socket, 1);
    dup2(socket, 2);
    closeOnExecFrom(3);
    defaultSignals(ignoredSignals());
    unblockAllSignals();
    execve(hook.path, hook.args?.length ? hook.args : [hook.path], hook.env ?? []);
  } catch (error) {
    try {
      writeSync(2, (error as Error).message);
    } finally {
      exitNow(127);
    }
  }
}

/** Writes the state and ends the stream, so that `cat` ends too. A hook that reads nothing is no failure. */
function deliver(socket: number, text: string): boolean {
  try {
    writeSync(socket, text);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPIPE') throw error;
  }
  shutdownWrite(socket);
  return true;
}

function readOutput(socket: number): string {
  const buffer = Buffer.alloc(KEPT_OUTPUT);
  try {
    return poll(socket, POLLIN, 0) ? buffer.toString('utf8', 0, readSync(socket, buffer)).trim() : '';
  } catch {
    return '';
  }
}

function failure(name: string, what: string, output: string): EngineError {
  return new EngineError('Internal', `error running ${name}: ${what}, stdout: , stderr: ${output}`, { layer: 'runtime' });
}
