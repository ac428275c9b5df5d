// Packs what a directory changed over others into a layer. Runs in an unpack worker. Two ways to see changes: an overlay's upper
// directory *is* the list of changes; plain directories are walked side by side. The same trees give the same bytes.
import { createHash } from 'node:crypto';
import { constants, readSync } from 'node:fs';
import { pipeline, Readable } from 'node:stream';
import { createGzip, createZstdCompress } from 'node:zlib';
import { EngineError } from '@berth/errdefs/engine-error';
import type { Digest } from '@berth/oci/digest';
import { type TarEntry, tarEntry, toText } from '@berth/oci/tar/entry';
import { tarEnd, tarHeader, tarPadding } from '@berth/oci/tar/writer';
import { closeFd, getXattrAt, openAt } from '@berth/sys/byte-path';
import type { Mount } from '../snapshots/snapshotter.ts';
import { failure } from './call-failure.ts';
import type { Compression } from './decompress.ts';
import { baseOf, directoryOf } from './member-name.ts';
import { withoutMountPoints } from './mount-points.ts';
import { MountedTree } from './private-mount.ts';
import { type Change, changes } from './tree-changes.ts';
import { entryOf, HardLinks, isDirectory, isWhiteout, keepsXattr, type Member, openDirectory, walk } from './tree-walk.ts';

export interface CompareJob {
  kind: 'compare';
  /** An overlay's upper directory, or the newer of two trees: directories, or mounts of which the worker makes one. */
  upper: string | Mount[];
  /** The older tree; undefined for nothing. Not used for an overlay. */
  lower: string | Mount[] | undefined;
  overlay: boolean;
  /** The directories below an overlay's upper one. */
  lowers: string[];
  /** See CompareOptions. */
  mountPoints: readonly string[];
  compression: Compression;
  /** Seconds since 1970 that no time may exceed. */
  latest: number | undefined;
}

export interface Compared {
  /** Digest of the tar before compression. */
  diffId: Digest;
}

/** Bytes handed on at once. */
const CHUNK = 256 * 1024;

/** `deliver` takes the layer piece by piece. */
export async function compareDirectories(
  job: CompareJob,
  signal: AbortSignal,
  deliver: (chunk: Uint8Array) => Promise<void>,
): Promise<Compared> {
  const hash = createHash('sha256');
  using upper = new MountedTree(job.upper);
  using lower = job.lower === undefined ? undefined : new MountedTree(job.lower);
  const found = job.overlay ? overlayChanges(upper.path) : changes(upper.path, lower?.path);
  const lowers = job.overlay ? job.lowers : lower ? [lower.path] : [];
  const kept = job.mountPoints.length === 0 ? found : withoutMountPoints(found, job.mountPoints, lowers);
  const tar = gathered(members(kept, job.latest, signal), (chunk) => hash.update(chunk));
  for await (const chunk of compressed(tar, job.compression)) await deliver(chunk);
  return { diffId: `sha256:${hash.digest('hex')}` as Digest };
}

function compressed(tar: Iterable<Buffer>, compression: Compression): AsyncIterable<Buffer> | Iterable<Buffer> {
  if (compression === 'none') return tar;
  const encoder = compression === 'gzip' ? createGzip({ chunkSize: CHUNK }) : createZstdCompress({ chunkSize: CHUNK });
  return pipeline(Readable.from(tar, { objectMode: true, highWaterMark: 2 }), encoder, () => {}) as unknown as AsyncIterable<Buffer>;
}

/** The archive's blocks in pieces that are worth compressing. */
function* gathered(blocks: Iterable<Buffer>, onChunk: (chunk: Buffer) => void): Generator<Buffer> {
  let parts: Buffer[] = [];
  let size = 0;
  for (const block of blocks) {
    parts.push(block);
    size += block.length;
    if (size < CHUNK) continue;
    const chunk = Buffer.concat(parts);
    parts = [];
    size = 0;
    onChunk(chunk);
    yield chunk;
  }
  const chunk = Buffer.concat([...parts, tarEnd()]);
  onChunk(chunk);
  yield chunk;
}

function* members(found: Iterable<Change>, latest: number | undefined, signal: AbortSignal): Generator<Buffer> {
  const links = new HardLinks();
  for (const change of found) {
    signal.throwIfAborted();
    if (change.kind === 'deleted') {
      yield tarHeader(whiteout(change.path, latest));
      continue;
    }
    const entry = entryOf(change.member, { keepsXattr });
    if (!entry) continue;
    const linked = clamped(links.note(entry, change.member.stat), latest);
    yield tarHeader(linked);
    if (linked.type === 'file' && linked.size > 0) {
      yield* data(change.member, linked.size);
      yield tarPadding(linked.size);
    }
    if (change.opaque) yield tarHeader(marker(`${change.member.path}/.wh..wh..opq`, latest));
  }
}

function* overlayChanges(upper: string): Generator<Change> {
  const root = openDirectory(upper);
  try {
    for (const member of walk(root)) {
      if (isWhiteout(member.stat)) yield { kind: 'deleted', path: member.path };
      else yield { kind: 'changed', member, opaque: isDirectory(member.stat) && isOpaque(member) };
    }
  } finally {
    closeFd(root);
  }
}

function isOpaque({ directory, name, path }: Member): boolean {
  for (const prefix of ['trusted', 'user']) {
    // With redirect_dir or metacopy the upper directory alone does not tell what a file is.
    const redirect = getXattrAt(directory, name, `${prefix}.overlay.redirect`);
    if (typeof redirect !== 'number') {
      throw new EngineError(
        'NotImplemented',
        `directory ${toText(path)} was renamed with overlayfs' redirect_dir: mount overlays with redirect_dir=off`,
        { layer: 'lifecycle' },
      );
    }
    const opaque = getXattrAt(directory, name, `${prefix}.overlay.opaque`);
    if (typeof opaque !== 'number' && opaque.toString('latin1') === 'y') return true;
  }
  return false;
}

function* data(member: Member, size: number): Generator<Buffer> {
  const fd = openAt(member.directory, member.name, constants.O_RDONLY | constants.O_NOFOLLOW);
  if (fd < 0) throw failure('open', member.path, fd);
  try {
    for (let left = size; left > 0; ) {
      const buffer = Buffer.allocUnsafe(Math.min(CHUNK, left));
      const got = readSync(fd, buffer, 0, buffer.length, null);
      // The file shrank while it was read; its header is out, so zeros must stand for the rest.
      const chunk = got === 0 ? buffer.fill(0) : buffer.subarray(0, got);
      left -= chunk.length;
      yield chunk;
    }
  } finally {
    closeFd(fd);
  }
}

function whiteout(path: string, latest: number | undefined): TarEntry {
  const directory = directoryOf(path);
  return marker(`${directory === '' ? '' : `${directory}/`}.wh.${baseOf(path)}`, latest);
}

function marker(name: string, latest: number | undefined): TarEntry {
  return clamped(tarEntry({ type: 'file', name, mode: 0 }), latest);
}

/** Whole seconds, as containerd's layers have them, and none after `latest`. */
function clamped(entry: TarEntry, latest: number | undefined): TarEntry {
  return { ...entry, nanoseconds: 0, seconds: latest === undefined ? entry.seconds : Math.min(entry.seconds, latest) };
}
