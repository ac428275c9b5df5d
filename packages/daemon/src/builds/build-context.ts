// A client's build context on disk: its archive unpacked into a directory of its own, with its Dockerfile and .dockerignore.
//
// One for each request, removed at its end; what a killed daemon left is removed at the next start.
import { closeSync, constants, mkdirSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join, posix } from 'node:path';
import type { Readable } from 'node:stream';
import { IgnorePatterns } from '@berth/api/ignore-patterns';
import { extractArchive } from '@berth/builder/context/extract';
import { FileTree } from '@berth/builder/context/file-tree';
import { EngineError } from '@berth/errdefs/engine-error';
import type { UnpackPool } from '@berth/lifecycle/diff/unpack-pool';
import { toBytes } from '@berth/oci/tar/entry';

export interface BuildContext extends AsyncDisposable {
  dockerfile: string;
  /** Without what .dockerignore names. */
  tree: FileTree;
}

/** The directory of contexts, emptied. */
export function resetContexts(directory: string): void {
  rmSync(directory, { recursive: true, force: true });
}

export async function receiveContext(
  threads: UnpackPool,
  archive: Readable,
  directory: string,
  dockerfile: string,
  signal: AbortSignal,
): Promise<BuildContext> {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const root = mkdtempSync(join(directory, 'context-'));
  const fd = openSync(root, constants.O_RDONLY | constants.O_DIRECTORY);
  const dispose = async () => {
    closeSync(fd);
    await rm(root, { recursive: true, force: true });
  };
  try {
    await extractArchive(threads, archive, fd, {}, signal);
    const all = new FileTree(fd);
    const text = readDockerfile(all, dockerfile);
    const ignore = all.readText('.dockerignore');
    return {
      dockerfile: text,
      tree: new FileTree(fd, ignore === undefined ? undefined : IgnorePatterns.parse(ignore)),
      [Symbol.asyncDispose]: dispose,
    };
  } catch (error) {
    await dispose();
    throw error;
  }
}

function readDockerfile(tree: FileTree, asked: string): string {
  const name = asked === '' ? 'Dockerfile' : asked;
  const path = posix.normalize(`/${name}`).slice(1);
  // The name of old times.
  const text = tree.readText(toBytes(path)) ?? (asked === '' ? tree.readText('dockerfile') : undefined);
  if (text === undefined) throw new EngineError('InvalidArgument', `Cannot locate specified Dockerfile: ${name}`, { layer: 'builder' });
  if (text.trim() === '') throw new EngineError('InvalidArgument', `the Dockerfile (${name}) cannot be empty`, { layer: 'builder' });
  return text;
}
