// Where the daemon keeps a container's own files.
import { join } from 'node:path';
import type { Config } from '../config/config.ts';

export function containerDirectory(config: Config, id: string): string {
  return join(config.dataRoot, 'containers', id);
}

/** The unix socket of a process' input and output; unix paths have at most 107 bytes. */
export function attachSocket(config: Config, processId: string): string {
  return join(config.execRoot, 'io', `${processId.slice(0, 20)}.sock`);
}
