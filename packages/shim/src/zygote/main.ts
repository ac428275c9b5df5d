// The zygote: one warm, single-threaded Node process that forks every shim (docs/zygote.md). Once warm it does not run its event loop
// any more; it reads requests from descriptor 3 with blocking calls, so that between two forks it has one thread and watches nothing.
//
// Runs as `node --v8-pool-size=0 --single-threaded … main.ts`, started by client.ts. In a forked child serve() returns to the
// event loop, which is the child's own from then on.
import { closeSync, writeSync } from 'node:fs';
import type { Socket } from 'node:net';
import { constants } from 'node:os';
import { Writable } from 'node:stream';
import { sendWithFds } from '@berth/sys/fd-passing';
import { exitNow } from '@berth/sys/fork';
import { trimHeap } from '@berth/sys/heap';
import { waitReadable } from '@berth/sys/pipe';
import { ignoreSignal } from '@berth/sys/process';
import { tryShim, UNKNOWN } from '../warm-up/trial.ts';
import { warmUp } from '../warm-up/warm-up.ts';
import { type Footprint, forkShim } from './fork-shim.ts';
import { LineSocket } from './line-socket.ts';
import type { ZygoteHello, ZygoteReply, ZygoteRequest } from './protocol.ts';
import { selfTest, unexpectedThread } from './self-test.ts';

/** Where client.ts put its end of the socket pair. */
const REQUESTS = 3;
/** And of the one over which the connections to its forks leave. */
const HAND_OVER = 4;
/** Milliseconds without a request until it learns from a trial what shims touch. */
const QUIET = 30;

process.title = 'berth-zygote';
plainOutput();
const client = new LineSocket(REQUESTS);
const verdict = selfTest();
if (verdict.outcome === 'unfit') refuse(verdict.reason);
else if (verdict.outcome === 'fit') await start();

/**
 * Node opens descriptors 1 and 2 as streams, at the latest when it loads node:util or destroys a socket; where they are pipes or
 * sockets that is a handle of the event loop, which would keep it alive. Nobody here writes through them but a last complaint.
 */
function plainOutput(): void {
  for (const [name, fd] of [
    ['stdout', 1],
    ['stderr', 2],
  ] as const) {
    (process[name] as Partial<Socket>).unref?.();
    const value = new Writable({
      write(chunk: Buffer, _encoding, done) {
        writeSync(fd, chunk);
        done();
      },
    });
    Object.defineProperty(process, name, { value, configurable: true });
  }
}

async function start(): Promise<void> {
  const cold = await warmUp();
  const left = process.getActiveResourcesInfo();
  if (left.length > 0) refuse(`the warm-up left ${left.join(', ')}`);
  const thread = unexpectedThread();
  if (thread !== undefined) refuse(thread);
  compactHeap();
  // Shims that end are nobody's to wait for.
  ignoreSignal(constants.signals.SIGCHLD);
  answer({ ready: true, reason: cold });
  // From the event loop's own phase for this, a forked child goes on with the loop where it stands.
  setImmediate(serve);
}

function refuse(reason: string): never {
  answer({ ready: false, reason });
  exitNow(1);
}

function answer(message: ZygoteHello | ZygoteReply): void {
  try {
    client.write(message);
  } catch {
    // EPIPE: the lifecycle service is gone, as when there is nothing more to read.
    exitNow(0);
  }
}

/** What a shim would otherwise collect, and unshare page by page, itself. */
function compactHeap(): void {
  globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' });
  trimHeap();
}

/** Blocks for the rest of the zygote's life; returns in forked children only. */
function serve(): void {
  let learned: Footprint | undefined;
  for (;;) {
    if (!learned && !waitReadable(REQUESTS, QUIET)) {
      const tried = tryShim([REQUESTS, HAND_OVER]);
      if (tried === 'child') return;
      learned = tried;
    }
    const request = client.read() as ZygoteRequest | undefined;
    if (request === undefined) exitNow(0); // the lifecycle service is gone; its shims are not
    try {
      const ahead = request.ahead ? (learned ?? UNKNOWN) : undefined;
      const forked = forkShim({ title: 'berth-spare', inherited: [REQUESTS, HAND_OVER], ahead });
      if (forked.role === 'child') return;
      try {
        sendWithFds(HAND_OVER, Buffer.alloc(1), [forked.fd]);
      } finally {
        closeSync(forked.fd);
      }
      answer({ ok: true, pid: forked.pid });
    } catch (error) {
      answer({ ok: false, error: (error as Error).message });
    }
  }
}
