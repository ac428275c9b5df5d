// A process of a container in the foreground: signals go on to it, a terminal is served, its exit code becomes ours. The one part of
// berth-runtime that uses the event loop; nothing is forked after it began.
import { readSync, writeSync } from 'node:fs';
import { constants } from 'node:os';
import { kill, POLLOUT, poll } from '@berth/sys/namespace';
import { dupAbove } from '@berth/sys/path';
import { setWindowSize } from '@berth/sys/pty';
import { waitpid } from '@berth/sys/wait';

/** Signals that are not the child's business: ours to die of, to stop by, or about our own children and terminal. */
const OWN = [
  'SIGKILL',
  'SIGSTOP',
  'SIGCHLD',
  'SIGPIPE',
  'SIGURG',
  'SIGWINCH',
  'SIGPROF',
  'SIGVTALRM',
  'SIGSEGV',
  'SIGBUS',
  'SIGFPE',
  'SIGILL',
  'SIGTRAP',
  'SIGABRT',
  'SIGIOT',
  'SIGPOLL',
  'SIGUNUSED',
  'SIGSTKFLT',
];

/** Resolves with the exit code, 128 + n for a signal. */
export async function waitInForeground(pid: number, master: number | undefined): Promise<number> {
  const terminal = master === undefined ? undefined : serveTerminal(master);
  for (const signal of Object.keys(constants.signals) as NodeJS.Signals[]) {
    if (!OWN.includes(signal)) process.on(signal, () => kill(pid, constants.signals[signal]));
  }
  const status = await exitOf(pid);
  terminal?.end();
  return status;
}

function exitOf(pid: number): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>();
  // Keeps the loop alive, and is a second look should a signal be lost between two handlers.
  const timer = setInterval(reap, 200);
  process.on('SIGCHLD', reap);
  reap();
  return promise;

  /** As a subreaper we get orphans of the container too. */
  function reap(): void {
    for (let exit = waitpid(-1, { noHang: true }); exit; exit = waitpid(-1, { noHang: true })) {
      if (exit.pid !== pid) continue;
      clearInterval(timer);
      resolve(exit.status);
      return;
    }
  }
}

/** Our own terminal in raw mode (or whatever our streams are), both ways, with its size. */
function serveTerminal(master: number): { end(): void } {
  // Loading it costs milliseconds that only a terminal is worth.
  const { ReadStream } = process.getBuiltinModule('node:tty');
  // It closes its descriptor as soon as the other side is closed, and this is still wanted then.
  const pty = new ReadStream(dupAbove(master, 3));
  const { stdin, stdout } = process;
  const resize = () => setWindowSize(master, { rows: stdout.rows, columns: stdout.columns });
  if (stdin.isTTY) stdin.setRawMode(true);
  if (stdout.isTTY) {
    resize();
    process.on('SIGWINCH', resize);
  }
  pty.on('data', (data) => writeAll(stdout.fd, data));
  // EIO is how a pseudo-terminal says that its other side is closed.
  pty.on('error', () => {});
  stdin.on('data', (data: Buffer) => writeAll(master, data));
  return {
    end() {
      if (stdin.isTTY) stdin.setRawMode(false);
      stdin.destroy();
      pty.pause();
      for (let chunk: Buffer | null = pty.read(); chunk !== null; chunk = pty.read()) writeAll(stdout.fd, chunk);
      drain(master, stdout.fd);
    },
  };
}

/** What the program wrote last may still lie in the terminal. Its orphans may hold it open: then it is what is there now. */
function drain(master: number, to: number): void {
  const buffer = Buffer.alloc(65_536);
  for (;;) {
    let length: number;
    try {
      length = readSync(master, buffer);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EIO' || code === 'EAGAIN') return;
      throw error;
    }
    if (length === 0) return;
    writeAll(to, buffer.subarray(0, length));
  }
}

/** What people type, or the program prints: the other side takes it at once, or in a moment. */
function writeAll(fd: number, data: Buffer): void {
  for (let at = 0; at < data.length; ) {
    try {
      at += writeSync(fd, data, at);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EIO' || code === 'EBADF' || code === 'EPIPE') return;
      if (code !== 'EAGAIN') throw error;
      poll(fd, POLLOUT, 100);
    }
  }
}
