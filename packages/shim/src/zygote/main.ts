// The zygote: one warm, single-threaded Node process that forks every shim (docs/zygote.md). Once warm it does not run its event loop
// any more; it reads requests from descriptor 3 with blocking calls, so that between two forks it has one thread and watches nothing.
// In quiet times it forks one shim ahead, the spare, which takes the next request.
//
// Runs as `node --v8-pool-size=0 --single-threaded … main.ts`, started by client.ts. In a forked child serve() returns to the
// event loop, which is the child's own from then on.
import { writeSync } from 'node:fs';
import type { Socket } from 'node:net';
import { constants } from 'node:os';
import { Writable } from 'node:stream';
import { exitNow } from '@berth/sys/fork';
import { firstReadable } from '@berth/sys/pipe';
import { ignoreSignal } from '@berth/sys/process';
import { warmUp } from '../warm-up/warm-up.ts';
import { LineSocket } from './line-socket.ts';
import type { ShimParameters, ZygoteHello, ZygoteReply, ZygoteRequest } from './protocol.ts';
import { selfTest, unexpectedThread } from './self-test.ts';
import { forkShim, type UnassignedShim } from './unassigned-shim.ts';

/** Where client.ts put its end of the socket pair. */
const REQUESTS = 3;
/** Forks for one request, after the spare. */
const ATTEMPTS = 3;
/** Milliseconds without a request until a spare is forked: the container that was just asked for has the processors first. */
const QUIET = 30;
const FOR_EVER = -1;

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
}

/** Blocks for the rest of the zygote's life; returns in forked children only. */
function serve(): void {
  let spare: UnassignedShim | undefined;
  // One that died unused is not replaced before somebody needs a shim: whatever killed it would kill the next one.
  let wanted = true;
  for (;;) {
    const fds = spare ? [REQUESTS, spare.fd] : [REQUESTS];
    const readable = client.buffered ? REQUESTS : firstReadable(fds, wanted && !spare ? QUIET : FOR_EVER);
    if (readable === undefined) {
      const forked = tryFork();
      if (forked?.role === 'child') return;
      spare = forked?.shim;
      wanted = spare !== undefined;
    } else if (readable === REQUESTS) {
      const request = client.read() as ZygoteRequest | undefined;
      if (request === undefined) exitNow(0); // the lifecycle service is gone; its shims are not
      const reply: ZygoteReply | 'child' = request.op === 'ping' ? { ok: true } : startShim(request.shim, spare);
      if (reply === 'child') return;
      answer(reply);
      if (request.op === 'start') {
        spare = undefined;
        wanted = true;
      }
    } else {
      spare?.discard();
      spare = undefined;
      wanted = false;
    }
  }
}

/** By the spare, or by a fork of its own. 'child' in that fork. */
function startShim(parameters: ShimParameters, spare: UnassignedShim | undefined): ZygoteReply | 'child' {
  let reply = spare?.assign(parameters);
  for (let attempt = 0; !reply && attempt < ATTEMPTS; attempt++) {
    try {
      const forked = forkShim([REQUESTS]);
      if (forked.role === 'child') return 'child';
      reply = forked.shim.assign(parameters);
    } catch (error) {
      return { ok: false, error: (error as Error).message };
    }
  }
  return reply ?? { ok: false, error: `the forked shim ended before it answered (${ATTEMPTS} attempts)` };
}

/** A spare is a help, not a duty: without one the next request forks, or says why it cannot. */
function tryFork(): ReturnType<typeof forkShim> | undefined {
  try {
    return forkShim([REQUESTS]);
  } catch {
    return undefined;
  }
}
