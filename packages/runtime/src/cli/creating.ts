// What `create` and `run` share: their flags, console socket and pid file.
import { closeSync, renameSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { connectUnix, sendWithFds } from '@berth/sys/fd-passing';
import { pidfdOpen } from '@berth/sys/namespace';
import { readBundle, validateSpec } from '../bundle.ts';
import { type Container, createContainer } from '../container.ts';
import { type Arguments, type FlagSpec, numberOf, textOf, usage } from './arguments.ts';
import type { Settings } from './command.ts';

export const CREATE_FLAGS = {
  bundle: { kind: 'value', short: 'b', help: 'path to the bundle, by default the current directory' },
  'console-socket': { kind: 'value', help: 'unix socket that gets the master end of the terminal' },
  'pidfd-socket': { kind: 'value', help: 'unix socket that gets a pidfd of the process' },
  'pid-file': { kind: 'value', help: 'file to write the process id to' },
  'no-pivot': { kind: 'flag', help: 'do not use pivot_root (for a root on a ramdisk)' },
  'no-new-keyring': { kind: 'flag', help: 'keep the session keyring of the caller' },
  'preserve-fds': { kind: 'value', help: 'pass N more descriptors on (stdio + $LISTEN_FDS + N in total)' },
} as const satisfies Record<string, FlagSpec>;

/** `terminal`: the caller itself serves a terminal, so that none needs a socket. */
export function createFromFlags(id: string, parsed: Arguments, settings: Settings, caller: { terminal: boolean }): Container {
  const bundle = resolve(textOf(parsed, 'bundle') ?? '.');
  const spec = readBundle(bundle);
  validateSpec(spec);
  const socket = textOf(parsed, 'console-socket');
  const wantsTerminal = spec.process?.terminal === true;
  if (wantsTerminal && socket === undefined && !caller.terminal)
    throw usage('cannot allocate tty if runc will detach without setting console socket');
  if (!wantsTerminal && socket !== undefined) throw usage('cannot use console socket if runc will not detach or allocate tty');
  const preserved = preservedFds(parsed);
  if (preserved && spec.process) spec.process.env = [...(spec.process.env ?? []), ...listenEnvironment()];
  const container = createContainer({
    id,
    bundle,
    root: settings.root,
    spec,
    stdio: wantsTerminal ? { terminal: true } : { stdin: 0, stdout: 1, stderr: 2 },
    noPivot: parsed.flags.has('no-pivot'),
    noNewKeyring: parsed.flags.has('no-new-keyring'),
    preserveFds: preserved,
    cgroupManager: settings.systemdCgroup ? 'systemd' : 'cgroupfs',
    warn: settings.warn,
    ...(settings.span ? { span: settings.span } : {}),
  });
  handOver(container, parsed);
  return container;
}

/** Gives others what the flags say of a new container; when that fails it is no more. */
export function handOver(container: Container, parsed: Arguments): void {
  const socket = textOf(parsed, 'console-socket');
  const pidFile = textOf(parsed, 'pid-file');
  try {
    if (socket !== undefined && container.consoleMaster !== undefined) sendConsole(socket, container.consoleMaster);
    sendPidfd(textOf(parsed, 'pidfd-socket'), container.pid);
    if (pidFile !== undefined) writePidFile(pidFile, container.pid);
  } catch (error) {
    container.delete({ force: true });
    throw error;
  }
}

/** One message with the descriptor; its data is the terminal's name. */
export function sendConsole(path: string, master: number): void {
  const socket = connectUnix(path);
  try {
    sendWithFds(socket, Buffer.from('/dev/ptmx'), [master]);
  } finally {
    closeSync(socket);
    closeSync(master);
  }
}

/** One message with a descriptor of the process (pidfd_open(2)), by which its caller can wait for it without being its parent. */
export function sendPidfd(path: string | undefined, pid: number): void {
  if (path === undefined) return;
  const socket = connectUnix(path);
  try {
    const pidfd = pidfdOpen(pid);
    try {
      sendWithFds(socket, Buffer.from('pidfd'), [pidfd]);
    } finally {
      closeSync(pidfd);
    }
  } finally {
    closeSync(socket);
  }
}

/** Whoever waits for the file never reads half a number. */
export function writePidFile(path: string, pid: number): void {
  const temporary = join(dirname(path), `.${basename(path)}`);
  writeFileSync(temporary, String(pid));
  renameSync(temporary, path);
}

/** How many descriptors after the standard streams the container gets. */
export function preservedFds(parsed: Arguments): number {
  return (numberOf(parsed, 'preserve-fds') ?? 0) + listenFds();
}

/** Socket activation (sd_listen_fds(3)). */
function listenFds(): number {
  const count = Number(process.env.LISTEN_FDS ?? 0);
  return Number.isInteger(count) && count > 0 ? count : 0;
}

function listenEnvironment(): string[] {
  if (!listenFds()) return [];
  const names = process.env.LISTEN_FDNAMES;
  return [`LISTEN_FDS=${process.env.LISTEN_FDS}`, 'LISTEN_PID=1', ...(names === undefined ? [] : [`LISTEN_FDNAMES=${names}`])];
}
