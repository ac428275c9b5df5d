// mount(2) on a thread of its own: a server that does not answer, or a journal that is played back, may keep it for minutes, and the
// daemon answers its clients meanwhile. The thread lives for one mount.
import { parentPort, Worker, workerData } from 'node:worker_threads';
import { EngineError, SysError } from '@berth/errdefs/engine-error';
import { attachLoop } from '@berth/sys/loop-device';
import { MS, mount } from '@berth/sys/mount';

export interface MountCall {
  /** With `loop`, a file that is mounted through a loop device. */
  readonly source: string;
  readonly target: string;
  readonly type: string;
  readonly flags: number;
  readonly data: string;
  readonly loop?: boolean;
}

interface Outcome {
  /** 0: it is mounted. */
  readonly errno: number;
  readonly code: string;
  readonly text: string;
}

/** Throws the SysError of the call. */
export function mountOnThread(call: MountCall): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url.endsWith('.ts') ? './mount-thread.ts' : './mount-thread.js', import.meta.url), {
      name: 'mount',
      workerData: call,
    });
    worker.once('message', (outcome: Outcome) => {
      if (outcome.errno === 0) resolve();
      else reject(new SysError('mount', outcome.errno, outcome.code, outcome.text, [call.source, call.target]));
    });
    worker.once('error', (cause) =>
      reject(new EngineError('Internal', `the mount thread failed: ${cause.message}`, { layer: 'daemon', cause })),
    );
  });
}

/** Mounts, in whichever thread it is called. A read-only bind takes two calls. */
export function mountNow({ source, target, type, flags, data, loop }: MountCall): void {
  if (loop) {
    using device = attachLoop(source);
    mount(device.path, target, type, flags, data || null);
    return;
  }
  mount(source, target, type, flags, data || null);
  if (flags & MS.BIND && flags & ~(MS.BIND | MS.REC)) mount(null, target, null, flags | MS.REMOUNT, null);
}

if (parentPort && isCall(workerData)) {
  let outcome: Outcome = { errno: 0, code: '', text: '' };
  try {
    mountNow(workerData);
  } catch (error) {
    if (!(error instanceof SysError)) throw error;
    outcome = { errno: error.errno, code: error.code, text: error.message.split(': ').at(-1) ?? '' };
  }
  parentPort.postMessage(outcome);
}

function isCall(data: unknown): data is MountCall {
  return typeof data === 'object' && data !== null && 'target' in data && 'flags' in data;
}
