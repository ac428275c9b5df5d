// Binary input: a file, or what is piped into the program. Standard input is read by its descriptor: Bun 1.4's stdin stream stops for
// good when a request that it is piped into asks it to wait.
import { createReadStream, type ReadStream, statSync } from 'node:fs';
import { ExitError } from './exit.ts';

/** '-' is standard input. Throws before anything was sent when there is no such file. */
export function openInput(path: string): ReadStream {
  if (path === '-') return createReadStream('', { fd: 0, autoClose: false });
  if (!statSync(path, { throwIfNoEntry: false })) throw new ExitError(1, `open ${path}: no such file or directory`);
  return createReadStream(path);
}
