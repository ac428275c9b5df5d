// Where the two programs of this package are, bundled (one .js file each, side by side in dist/) or as sources, and the flags
// of Node that they run with.
import { fileURLToPath } from 'node:url';

/** Without these V8's worker threads would be missing in a forked child: it would hang in its first collection. */
export const FORK_FLAGS = ['--v8-pool-size=0', '--single-threaded'];

/**
 * FORK_FLAGS, and what keeps a shim small: a small young generation is collected before it grows the process, and no tier of
 * the compiler starts work in each shim anew that its few requests never pay back.
 */
export const SHIM_NODE_FLAGS = [
  ...FORK_FLAGS,
  '--max-semi-space-size=1',
  '--no-maglev',
  '--no-opt',
  '--expose-gc',
  '--disable-warning=ExperimentalWarning',
];

/**
 * A zygote pays for its code once, and its forks have it: everything is compiled before anybody forks, for most of a container's
 * init runs once in a process' life; and the collection before the first fork forgets nothing of it. Machine code for all of it
 * (--always-sparkplug) costs each shim 0.3 MB and was no faster.
 */
export const ZYGOTE_NODE_FLAGS = [...SHIM_NODE_FLAGS, '--no-lazy', '--no-flush-bytecode'];

export function zygoteProgram(): string {
  return program('./main.ts', './berth-zygote.js');
}

export function shimProgram(): string {
  return program('../main.ts', './containerd-shim-berth-v1.js');
}

function program(source: string, bundle: string): string {
  return fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? source : bundle, import.meta.url));
}
