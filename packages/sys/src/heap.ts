// What malloc keeps for later goes back to the system: glibc's malloc_trim(3). Other C libraries do not have it, and keep less.
import { bind } from './libc.ts';

const mallocTrim = optional(() => bind('int malloc_trim(size_t)'));

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
