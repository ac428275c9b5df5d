// seccomp(2): putting a filter on the calling thread.
//
// Called in a container's init. Facts: linux/seccomp.h, linux/filter.h struct sock_fprog {len, filter*}.
import { koffi } from './koffi.ts';
import { bind, check } from './libc.ts';
import { SYSCALL } from './syscall-numbers.ts';

const SET_MODE_FILTER = 1;
const INSTRUCTION_SIZE = 8;

koffi.struct('sock_fprog', { len: 'uint16_t', filter: 'void*' });

const cSeccomp = bind('long syscall(long, unsigned int, unsigned int, const sock_fprog*)');

/** Returns 0, or the supervisor's descriptor with SECCOMP_FILTER_FLAG_NEW_LISTENER. `program` is struct sock_filter[]. */
export function installFilter(program: Uint8Array, flags: number): number {
  const descriptor = { len: program.length / INSTRUCTION_SIZE, filter: program };
  return check(
    cSeccomp(SYSCALL.seccomp, SET_MODE_FILTER, flags, descriptor),
    'seccomp',
    'SECCOMP_SET_MODE_FILTER',
    `${descriptor.len} instructions`,
  );
}
