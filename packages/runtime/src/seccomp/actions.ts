// What a filter answers: runtime-spec's action names as values of SECCOMP_RET_*.
//
// Facts: linux/seccomp.h. A lower value is the stronger one where several filters answer.
import { EngineError } from '@berth/errdefs/engine-error';
import type { SeccompAction } from '@berth/oci/runtime-spec';

export const RETURN_ALLOW = 0x7fff0000;
export const RETURN_KILL_THREAD = 0x00000000;
const RETURN_NOTIFY = 0x7fc00000;
const RETURN_ERRNO = 0x00050000;
const RETURN_TRACE = 0x7ff00000;

const EPERM = 1;
const ENOSYS = 38;
/** MAX_ERRNO: the kernel clamps what is above. */
const MAX_ERRNO = 4095;

const PLAIN: Partial<Record<SeccompAction, number>> = {
  SCMP_ACT_KILL: RETURN_KILL_THREAD,
  SCMP_ACT_KILL_THREAD: RETURN_KILL_THREAD,
  SCMP_ACT_KILL_PROCESS: 0x80000000,
  SCMP_ACT_TRAP: 0x00030000,
  SCMP_ACT_LOG: 0x7ffc0000,
  SCMP_ACT_ALLOW: RETURN_ALLOW,
  SCMP_ACT_NOTIFY: RETURN_NOTIFY,
};

/** What a profile may name. */
export const SECCOMP_ACTIONS: readonly string[] = [...Object.keys(PLAIN), 'SCMP_ACT_ERRNO', 'SCMP_ACT_TRACE'];

/** `errnoRet` is the errno of ERRNO and the message of TRACE; EPERM when the profile has none. */
export function returnValue(action: SeccompAction, errnoRet: number = EPERM): number {
  if (action === 'SCMP_ACT_ERRNO') return RETURN_ERRNO | Math.min(errnoRet, MAX_ERRNO);
  if (action === 'SCMP_ACT_TRACE') return RETURN_TRACE | (errnoRet & 0xffff);
  const value = PLAIN[action];
  if (value === undefined)
    throw new EngineError('InvalidArgument', `string ${action} is not a valid action for seccomp`, { layer: 'runtime' });
  return value;
}

export function isNotify(value: number): boolean {
  return value === RETURN_NOTIFY;
}

/** Whether the kernel would prefer the first of two answers: as signed numbers, killing the process is the lowest. */
export function isStronger(value: number, other: number): boolean {
  return (value | 0) < (other | 0);
}

/** Unknown calls are let through anyway (or answered by a tracer, which knows better). */
export function isPermissive(action: SeccompAction): boolean {
  return action === 'SCMP_ACT_ALLOW' || action === 'SCMP_ACT_LOG' || action === 'SCMP_ACT_TRACE';
}

/** What programs expect of a kernel that is older than they are; C libraries fall back on it. */
export const RETURN_ENOSYS = RETURN_ERRNO | ENOSYS;
