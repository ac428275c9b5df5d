// What a process and its unpack workers say to each other. One job at a time in each worker.
import type { ErrorKind } from '@berth/errdefs/kind';
import type { ApplyJob } from './apply-layer.ts';
import type { CompareJob } from './compare-job.ts';
import type { CopyJob } from './copy-job.ts';
import type { HashJob } from './hash-job.ts';
import type { MembersJob } from './members-job.ts';
import type { PlaceJob } from './place-job.ts';

export type Job = ApplyJob | CompareJob | CopyJob | HashJob | MembersJob | PlaceJob;

export type ToWorker =
  | { type: 'job'; job: Job }
  | { type: 'abort' }
  /** The chunk that was sent last has been written: the next one may come. */
  | { type: 'taken' }
  /** What the job reads, piece by piece. */
  | { type: 'input'; bytes: Uint8Array }
  | { type: 'end of input' };

export type FromWorker =
  | { type: 'progress'; consumed: number }
  | { type: 'chunk'; bytes: Uint8Array }
  /** A piece of the input has been read: another may come. */
  | { type: 'read' }
  | { type: 'done'; result: unknown }
  | { type: 'failed'; kind: ErrorKind; message: string; details: Record<string, unknown> };
