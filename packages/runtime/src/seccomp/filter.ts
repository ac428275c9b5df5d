// A container's seccomp filter: from the bundle's `linux.seccomp` to a classic BPF program, and into the kernel.
//
// compileFilter runs in the runtime's parent process (cache.ts makes it cheap), loadFilter in the container's init, right
// before execve. Facts: runtime-spec config-linux.md "Seccomp", seccomp(2); behaviour follows libseccomp as runc uses it.
import { EngineError } from '@berth/errdefs/engine-error';
import type { LinuxSeccomp } from '@berth/oci/runtime-spec';
import { architecture } from '@berth/sys/architecture';
import { installFilter } from '@berth/sys/seccomp';
import { architecturesOf } from './architectures.ts';
import { compile } from './compile.ts';
import { checkNotify, rulesFor } from './rules.ts';

export interface Filter {
  /** struct sock_filter[], 8 bytes an instruction. */
  program: Uint8Array;
  /** SECCOMP_FILTER_FLAG_* for seccomp(2). */
  flags: number;
  /** Some system call is answered by a supervisor: loading returns a descriptor that goes to `listenerPath`. */
  notify: boolean;
}

const FLAGS: Record<string, number> = {
  SECCOMP_FILTER_FLAG_TSYNC: 1,
  SECCOMP_FILTER_FLAG_LOG: 2,
  SECCOMP_FILTER_FLAG_SPEC_ALLOW: 4,
  SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV: 32,
};
const TSYNC = 1;
const SPEC_ALLOW = 4;
const NEW_LISTENER = 8;

export function compileFilter(seccomp: LinuxSeccomp): Filter {
  const notify = checkNotify(seccomp);
  const flags = flagsOf(seccomp);
  const sections = architecturesOf(seccomp.architectures ?? []).map((name) => rulesFor(seccomp, architecture(name)));
  return { program: compile(sections), flags: notify ? (flags | NEW_LISTENER) & ~TSYNC : flags, notify };
}

/**
 * Sets the filter for the calling thread, for ever. Returns the supervisor's descriptor when the filter has one.
 * Needs no_new_privs or CAP_SYS_ADMIN in the caller's user namespace.
 */
export function loadFilter(filter: Filter): number | undefined {
  const result = installFilter(filter.program, filter.flags);
  return filter.notify ? result : undefined;
}

/** No flags given is not the same as an empty list: runc then spares the container the speculative-store mitigation. */
function flagsOf(seccomp: LinuxSeccomp): number {
  if (seccomp.flags === undefined) return SPEC_ALLOW;
  return seccomp.flags.reduce((sum, name) => {
    const flag = FLAGS[name];
    if (flag === undefined) throw new EngineError('InvalidArgument', `seccomp flag "${name}" is not known`, { layer: 'runtime' });
    return sum | flag;
  }, 0);
}

/** For the features document. */
export const SECCOMP_FLAGS: readonly string[] = Object.keys(FLAGS);
