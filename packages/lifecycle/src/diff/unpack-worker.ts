// A worker thread of the lifecycle service that reads and writes layers. The thread has its own umask (unshare CLONE_FS): members get
// exactly the modes that the archive says, and the service's other threads keep theirs.
import { parentPort } from 'node:worker_threads';
import { toEngineError } from '@berth/errdefs/engine-error';
import { bind } from '@berth/sys/libc';
import { applyLayer } from './apply-layer.ts';
import { compareDirectories } from './compare-job.ts';
import { copyTree } from './copy-job.ts';
import { hashFile } from './hash-job.ts';
import { copyMembers, decodeMembers } from './members-job.ts';
import { placeMembers } from './place-job.ts';
import type { FromWorker, Job, ToWorker } from './worker-protocol.ts';

const CLONE_FS = 0x200;
/** Milliseconds between two reports of progress. */
const REPORT_INTERVAL = 100;

const port = parentPort;
if (!port) throw new Error('unpack-worker runs in a worker thread only');

if (bind('int unshare(int)')(CLONE_FS) !== 0) throw new Error('unpack-worker could not take a umask of its own');
bind('unsigned int umask(unsigned int)')(0);

let abort = new AbortController();
let taken: (() => void) | undefined;
/** What has come of the job's input; undefined is its end. */
let pieces: (Uint8Array | undefined)[] = [];
let arrived: (() => void) | undefined;
const say = (message: FromWorker, transfer: ArrayBuffer[] = []) => port.postMessage(message, transfer);

port.on('message', (message: ToWorker) => {
  switch (message.type) {
    case 'job':
      void work(message.job);
      return;
    case 'abort':
      abort.abort();
      return;
    case 'taken':
      taken?.();
      return;
    case 'input':
    case 'end of input':
      pieces.push(message.type === 'input' ? message.bytes : undefined);
      arrived?.();
      return;
  }
});

async function work(job: Job): Promise<void> {
  abort = new AbortController();
  pieces = [];
  try {
    say({ type: 'done', result: await perform(job, abort.signal) });
  } catch (error) {
    const { kind, message, details } = toEngineError(error, abort.signal.aborted ? 'Cancelled' : 'Unknown');
    say({ type: 'failed', kind, message, details });
  }
}

function perform(job: Job, signal: AbortSignal): Promise<unknown> | unknown {
  switch (job.kind) {
    case 'apply':
      return applyLayer(job, signal, throttled());
    case 'compare':
      return compareDirectories(job, signal, deliver);
    case 'copy':
      return copyTree(job, signal);
    case 'hash':
      return hashFile(job);
    case 'members':
      return copyMembers(job, decodeMembers(input(signal)), signal);
    case 'place':
      return placeMembers(job, input(signal), signal);
  }
}

function throttled(): (consumed: number) => void {
  let last = 0;
  return (consumed) => {
    const now = performance.now();
    if (now - last < REPORT_INTERVAL) return;
    last = now;
    say({ type: 'progress', consumed });
  };
}

/** Hands a chunk over and waits until it was written. */
function deliver(chunk: Uint8Array): Promise<void> {
  // A copy of its own: what zlib returns may be a slice of a shared pool, which cannot be transferred.
  const bytes = new Uint8Array(chunk);
  return new Promise((resolve, reject) => {
    taken = resolve;
    abort.signal.addEventListener('abort', () => reject(abort.signal.reason), { once: true });
    say({ type: 'chunk', bytes }, [bytes.buffer]);
  });
}

async function* input(signal: AbortSignal): AsyncGenerator<Uint8Array> {
  for (;;) {
    while (pieces.length === 0) {
      signal.throwIfAborted();
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      arrived = resolve;
      const stop = () => reject(signal.reason);
      signal.addEventListener('abort', stop, { once: true });
      await promise.finally(() => signal.removeEventListener('abort', stop));
    }
    const bytes = pieces.shift();
    if (bytes === undefined) return;
    say({ type: 'read' });
    yield bytes;
  }
}
