// What the lifecycle service and its unpack workers say to each other. One job at a time in each worker.
import type { ErrorKind } from '@berth/errdefs/kind';
import type { ApplyJob } from './apply-layer.ts';
import type { CompareJob } from './compare-job.ts';
import type { CopyJob } from './copy-job.ts';
import type { HashJob } from './hash-job.ts';

export type Job = ApplyJob | CompareJob | CopyJob | HashJob;

export type ToWorker =
  | { type: 'job'; job: Job }
  | { type: 'abort' }
  /** The chunk that was sent last has been written: the next one may come. */
  | { type: 'taken' };

export type FromWorker =
  | { type: 'progress'; consumed: number }
  | { type: 'chunk'; bytes: Uint8Array }
  | { type: 'done'; result: unknown }
  | { type: 'failed'; kind: ErrorKind; message: string; details: Record<string, unknown> };
