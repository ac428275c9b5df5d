// A container's seccomp filter: from the bundle's `linux.seccomp` to a classic BPF program, and into the kernel.
//
// compileFilter runs in the runtime's parent process (cached: see cache.ts), loadFilter in the container's init, right before
// execve. Facts: runtime-spec config-linux.md "Seccomp", seccomp(2); behaviour follows libseccomp, which runc and crun use.
import type { LinuxSeccomp } from '@berth/oci/runtime-spec';

export interface Filter {
  /** struct sock_filter[], 8 bytes an instruction, in the host's byte order. */
  program: Uint8Array;
  /** SECCOMP_FILTER_FLAG_* for seccomp(2). */
  flags: number;
  /** Some syscall is answered by a supervisor: the load returns a descriptor that goes to `listenerPath`. */
  notify: boolean;
}

export interface CompileOptions {
  /** Where compiled filters are kept between processes; without it only in memory. */
  cacheDirectory?: string;
}

export declare function compileFilter(seccomp: LinuxSeccomp, options?: CompileOptions): Filter;
/** Sets the filter for the calling thread. Returns the notify descriptor when the filter has one. Needs no_new_privs or CAP_SYS_ADMIN. */
export declare function loadFilter(filter: Filter): number | undefined;
