// Binary output: into a file that appears whole or not at all, or into a pipe; never onto a terminal.
import { createWriteStream, lstatSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { EngineError } from '@berth/errdefs/engine-error';
import type { Context } from './context.ts';
import { ExitError } from './exit.ts';

/** Refuses what cannot be written to, before anything is asked of the daemon. `verb` is for the message. */
export function checkOutput(context: Context, path: string | undefined, verb: string): void {
  if (path === undefined || path === '') {
    if (context.stdout.isTTY) {
      throw new ExitError(1, `cowardly refusing to save to a terminal. Use the -o flag or redirect`);
    }
    return;
  }
  const parent = lstatSync(dirname(path), { throwIfNoEntry: false });
  const target = lstatSync(path, { throwIfNoEntry: false });
  if (!parent) throw failure(`failed to ${verb}: invalid output path: stat ${dirname(path)}: no such file or directory`);
  if (target?.isDirectory()) throw failure(`failed to ${verb}: invalid output path: "${path}" must be a regular file`);
  if (target?.isCharacterDevice() && path !== '/dev/null') throw failure(`failed to ${verb}: invalid output path: got a device`);
}

export async function writeOutput(context: Context, path: string | undefined, content: NodeJS.ReadableStream): Promise<void> {
  if (path === undefined || path === '') {
    await pipeline(content, context.stdout, { end: false });
    return;
  }
  if (lstatSync(path, { throwIfNoEntry: false })?.isFile() === false) {
    await pipeline(content, createWriteStream(path));
    return;
  }
  const partial = join(dirname(path), `.berth-${process.pid}.partial`);
  try {
    await pipeline(content, createWriteStream(partial, { mode: 0o600 }));
    renameSync(partial, path);
  } catch (error) {
    rmSync(partial, { force: true });
    throw error;
  }
}

function failure(message: string): EngineError {
  return new EngineError('InvalidArgument', message, { layer: 'cli' });
}
