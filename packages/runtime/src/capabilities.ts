// Capability names by number (capabilities(7), linux/capability.h), and the five sets of config.json as bit masks.
import type { Capabilities } from '@berth/oci/runtime-spec';

/** Index = the capability's number. */
export const CAPABILITY_NAMES = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_DAC_READ_SEARCH',
  'CAP_FOWNER',
  'CAP_FSETID',
  'CAP_KILL',
  'CAP_SETGID',
  'CAP_SETUID',
  'CAP_SETPCAP',
  'CAP_LINUX_IMMUTABLE',
  'CAP_NET_BIND_SERVICE',
  'CAP_NET_BROADCAST',
  'CAP_NET_ADMIN',
  'CAP_NET_RAW',
  'CAP_IPC_LOCK',
  'CAP_IPC_OWNER',
  'CAP_SYS_MODULE',
  'CAP_SYS_RAWIO',
  'CAP_SYS_CHROOT',
  'CAP_SYS_PTRACE',
  'CAP_SYS_PACCT',
  'CAP_SYS_ADMIN',
  'CAP_SYS_BOOT',
  'CAP_SYS_NICE',
  'CAP_SYS_RESOURCE',
  'CAP_SYS_TIME',
  'CAP_SYS_TTY_CONFIG',
  'CAP_MKNOD',
  'CAP_LEASE',
  'CAP_AUDIT_WRITE',
  'CAP_AUDIT_CONTROL',
  'CAP_SETFCAP',
  'CAP_MAC_OVERRIDE',
  'CAP_MAC_ADMIN',
  'CAP_SYSLOG',
  'CAP_WAKE_ALARM',
  'CAP_BLOCK_SUSPEND',
  'CAP_AUDIT_READ',
  'CAP_PERFMON',
  'CAP_BPF',
  'CAP_CHECKPOINT_RESTORE',
] as const;

/** The sets of a process, as config.json names them. */
export const CAPABILITY_SET_NAMES = ['bounding', 'effective', 'inheritable', 'permitted', 'ambient'] as const;

const NUMBERS = new Map<string, number>(CAPABILITY_NAMES.map((name, number) => [name, number]));

export interface CapabilitySets {
  bounding: bigint;
  effective: bigint;
  permitted: bigint;
  inheritable: bigint;
  ambient: number[];
}

/** The process' five sets, limited to what this process has itself: runc ignores the others, with a warning. */
export function capabilitySets(capabilities: Capabilities, available: bigint): CapabilitySets {
  const mask = (names: readonly string[] | undefined) => capabilityMask(names ?? []) & available;
  const ambient = (capabilities.ambient ?? []).flatMap((name) => NUMBERS.get(name) ?? []);
  return {
    bounding: mask(capabilities.bounding),
    effective: mask(capabilities.effective),
    permitted: mask(capabilities.permitted),
    inheritable: mask(capabilities.inheritable),
    ambient: ambient.filter((number) => (available >> BigInt(number)) & 1n),
  };
}

/** Names that are not known are left out, as runc does. */
export function capabilityMask(names: readonly string[]): bigint {
  let mask = 0n;
  for (const name of names) {
    const number = NUMBERS.get(name);
    if (number !== undefined) mask |= 1n << BigInt(number);
  }
  return mask;
}
