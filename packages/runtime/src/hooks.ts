// Hooks (runtime-spec config.md "POSIX-platform Hooks"): programs that get the container's state on standard input. The kinds prestart,
// createRuntime, poststart and poststop run in the runtime's process, createContainer and startContainer in init, which is a forked
// child without an event loop: hence fork and poll here, not child_process.
import { closeSync, readSync, writeSync } from 'node:fs';
import { EngineError } from '@berth/errdefs/engine-error';
import type { Hook, HookKind, State } from '@berth/oci/runtime-spec';
import { exitNow, fork } from '@berth/sys/fork';
import { anonymousFile } from '@berth/sys/memfd';
import { kill, POLLIN, pidfdOpen, poll } from '@berth/sys/namespace';
import { dup2 } from '@berth/sys/path';
import { blockSignals, closeOnExecFrom, defaultSignals, execve, unblockAllSignals } from '@berth/sys/process';
import { signalText } from '@berth/sys/signal-text';
import { waitpid } from '@berth/sys/wait';
import { ignoredSignals } from './signals.ts';

const SIGKILL = 9;
/** What of a failed hook's output goes into the error. */
const KEPT_OUTPUT = 4096;
/** poll(2) takes an int. */
const MAX_POLL_MS = 2 ** 31 - 1;

/** Runs hooks in order; the first failure ends it. */
export function runHooks(kind: HookKind, hooks: readonly Hook[] | undefined, state: State): void {
  for (const [index, hook] of (hooks ?? []).entries()) runHook(`hook #${index} of ${kind}`, hook, state);
}

function runHook(name: string, hook: Hook, state: State): void {
  // Files in memory: the hook may read late or never, and write as much as it likes, without either side waiting for the other.
  const input = anonymousFile('hook-input');
  const output = anonymousFile('hook-output');
  let pidfd: number | undefined;
  try {
    const text = Buffer.from(JSON.stringify(state));
    writeSync(input, text, 0, text.length, 0);
    const unblock = blockSignals();
    const pid = fork();
    if (pid === 0) becomeHook(hook, input, output);
    unblock();
    pidfd = pidfdOpen(pid);
    const timely = poll(pidfd, POLLIN, hook.timeout ? Math.min(hook.timeout * 1000, MAX_POLL_MS) : -1) !== 0;
    if (!timely) kill(pid, SIGKILL);
    const exit = waitpid(pid);
    if (!timely) throw failure(name, `hook ran past specified timeout of ${hook.timeout}s`, '');
    if (exit?.status !== 0)
      throw failure(name, exit?.signal ? `signal: ${signalText(exit.signal)}` : `exit status ${exit?.status}`, readOutput(output));
  } finally {
    closeSync(input);
    closeSync(output);
    if (pidfd !== undefined) closeSync(pidfd);
  }
}

function becomeHook(hook: Hook, input: number, output: number): never {
  try {
    dup2(input, 0);
    dup2(output, 1);
    dup2(output, 2);
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

function readOutput(output: number): string {
  const buffer = Buffer.alloc(KEPT_OUTPUT);
  return buffer.toString('utf8', 0, readSync(output, buffer, 0, KEPT_OUTPUT, 0)).trim();
}

function failure(name: string, what: string, output: string): EngineError {
  return new EngineError('Internal', `error running ${name}: ${what}, stdout: , stderr: ${output}`, { layer: 'runtime' });
}
