// Runs a program to its end: other OCI runtimes, and logging programs. Their output goes to files and pipes that the caller made.
import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import { EngineError } from '@berth/errdefs/engine-error';
import { type Program, startProgram } from '@berth/sys/program';
import type { Reaper } from './reaper.ts';

/** Resolves to the exit status (128 + signal); `started` gets the pid at once. */
export function runProgram(reaper: Reaper, program: Program, started?: (pid: number) => void): Promise<number> {
  return new Promise((resolve) => {
    const pid = startProgram(program);
    reaper.watch(pid, ({ status }) => resolve(status));
    started?.(pid);
  });
}

/** The absolute path of a command, as a shell would find it. */
export function findProgram(name: string): string {
  if (name.includes('/')) return name;
  for (const directory of (process.env.PATH ?? '').split(':')) {
    const path = join(directory || '.', name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not there, or not ours to run: the next directory.
    }
  }
  throw new EngineError('NotFound', `exec: "${name}": executable file not found in $PATH`, { layer: 'shim' });
}
