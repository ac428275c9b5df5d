// Applies one layer: file → decompress → hash → tar → files. Runs in an unpack worker; only one chunk of each stage is in memory.
// A layer that is not compressed has been hashed already, when it became a blob: its digest is its diff id.
import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { promisify } from 'node:util';
import type { Digest } from '@berth/oci/digest';
import { TarReader } from '@berth/oci/tar/reader';
import { syncFileSystem } from '@berth/sys/byte-path';
import type { Mount } from '../snapshots/snapshotter.ts';
import { adoptDirectories } from './adopt-directories.ts';
import { failure } from './call-failure.ts';
import { compressionAt, decompress } from './decompress.ts';
import type { Applied } from './differ.ts';
import { LayerWriter } from './layer-writer.ts';
import { MountedTree } from './private-mount.ts';
import type { WhiteoutMode } from './whiteouts.ts';

const CHUNK = 256 * 1024;
/** Lets messages to this thread come in, such as one that ends the job. */
const turn = promisify(setImmediate);

export interface ApplyJob {
  kind: 'apply';
  /** File with the layer as transferred, a blob of the content store. */
  blob: string;
  digest: Digest;
  /** Where to unpack: a directory, or mounts of which the worker makes one. */
  directory: string | Mount[];
  lowers: string[];
  whiteouts: WhiteoutMode;
  sync: boolean;
}

export async function applyLayer(job: ApplyJob, signal: AbortSignal, onProgress: (consumed: number) => void): Promise<Applied> {
  const known = job.digest.startsWith('sha256:') && isPlain(job.blob) ? job.digest : undefined;
  const hash = known === undefined ? createHash('sha256') : undefined;
  let size = 0;
  using tree = new MountedTree(job.directory);
  using writer = new LayerWriter(tree.path, job.whiteouts);
  const reader = new TarReader(writer);
  for await (const chunk of decompress(counted(job.blob, signal, onProgress))) {
    signal.throwIfAborted();
    hash?.update(chunk);
    size += chunk.length;
    reader.push(chunk);
  }
  reader.finish();
  writer.finish();
  const implicitDirectories = writer.implicitDirectories;
  adoptDirectories(tree.path, job.lowers, implicitDirectories);
  if (job.sync) {
    const synced = syncFileSystem(writer.root);
    if (synced < 0) throw failure('syncfs', tree.path, synced);
  }
  const diffId = known ?? (`sha256:${hash?.digest('hex')}` as Digest);
  return { diffId, size, implicitDirectories };
}

function isPlain(path: string): boolean {
  const start = Buffer.alloc(4);
  const file = openSync(path, 'r');
  try {
    return compressionAt(start.subarray(0, readSync(file, start, 0, start.length, 0))) === 'none';
  } finally {
    closeSync(file);
  }
}

/** The file's bytes, always in the same buffer: a thread of its own may wait for the disk, and needs no other to wait for it. */
async function* counted(path: string, signal: AbortSignal, onProgress: (consumed: number) => void): AsyncGenerator<Buffer> {
  const buffer = Buffer.allocUnsafeSlow(CHUNK);
  const file = openSync(path, 'r');
  try {
    for (let consumed = 0; ; ) {
      signal.throwIfAborted();
      const size = readSync(file, buffer, 0, CHUNK, null);
      if (size === 0) return;
      yield buffer.subarray(0, size);
      consumed += size;
      onProgress(consumed);
      await turn();
    }
  } finally {
    closeSync(file);
  }
}
