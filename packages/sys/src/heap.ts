// Memory given back on purpose, where V8 and malloc would wait. malloc_trim(3) is glibc's; other C libraries do not have it, and keep less.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { bind } from './libc.ts';

const mallocTrim = optional(() => bind('int malloc_trim(size_t)'));

let collect: ((options: { type: 'minor' }) => void) | undefined;

/**
 * Collects what has been made lately, in a millisecond. For who receives hundreds of megabytes in small buffers: V8 counts their bytes
 * towards a collection of everything, which finds the same and takes fifty times as long.
 */
export function collectYoung(): void {
  if (!collect) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as typeof collect;
  }
  collect?.({ type: 'minor' });
}

/** What malloc keeps for later goes back to the system. */
export function trimHeap(): void {
  mallocTrim?.(0);
}

function optional<T>(make: () => T): T | undefined {
  try {
    return make();
  } catch {
    return undefined;
  }
}
