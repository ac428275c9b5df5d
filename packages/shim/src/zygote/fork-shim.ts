// Forks one shim and waits for its handshake. A child that ends before it is a failed fork (see sys/fork.ts) and is tried again.
import { closeSync, readSync, writeSync } from 'node:fs';
import { adoptEventLoop, fork } from '@berth/sys/fork';
import { createPipe, waitReadable } from '@berth/sys/pipe';
import type { ZygoteReply } from './protocol.ts';

const ATTEMPTS = 3;
/** Milliseconds that a child has for its handshake; it takes one or two. */
const HANDSHAKE = 5000;

export type ForkOutcome = { role: 'child'; report: (reply: ZygoteReply) => void } | { role: 'zygote'; reply: ZygoteReply };

export function forkShim(): ForkOutcome {
  let reply: ZygoteReply = { ok: false, error: 'the fork did not come up' };
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const [read, write] = createPipe();
    let pid: number;
    try {
      pid = fork();
    } catch (error) {
      closeSync(read);
      closeSync(write);
      return { role: 'zygote', reply: { ok: false, error: (error as Error).message } };
    }
    if (pid === 0) {
      adoptEventLoop();
      closeSync(read);
      return { role: 'child', report: (message) => reportOnce(write, message) };
    }
    closeSync(write);
    const got = readReply(read);
    closeSync(read);
    if (got) return { role: 'zygote', reply: got };
    killQuietly(pid);
    reply = { ok: false, error: `the forked shim ended before its handshake (${ATTEMPTS} attempts)` };
  }
  return { role: 'zygote', reply };
}

function reportOnce(fd: number, message: ZygoteReply): void {
  writeSync(fd, JSON.stringify(message));
  closeSync(fd);
}

/** The child's whole message up to the end of the pipe; undefined for a child that died or hangs. */
function readReply(fd: number): ZygoteReply | undefined {
  const chunk = Buffer.allocUnsafe(4096);
  let text = '';
  while (waitReadable(fd, HANDSHAKE)) {
    const length = readSync(fd, chunk);
    if (length === 0) break;
    text += chunk.toString('utf8', 0, length);
  }
  try {
    return JSON.parse(text) as ZygoteReply;
  } catch {
    return undefined;
  }
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Gone already; the zygote's children leave no zombies.
  }
}
