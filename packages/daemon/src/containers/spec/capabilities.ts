// Capabilities of a container: Docker's fourteen by default, changed by --cap-add, --cap-drop and --privileged
// (moby's daemon/pkg/oci/caps). Names are accepted with and without CAP_, in any case; ALL stands for what the kernel has.
import { readFileSync } from 'node:fs';
import { EngineError } from '@berth/errdefs/engine-error';

const DEFAULT_CAPABILITIES: readonly string[] = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_FSETID',
  'CAP_FOWNER',
  'CAP_MKNOD',
  'CAP_NET_RAW',
  'CAP_SETGID',
  'CAP_SETUID',
  'CAP_SETFCAP',
  'CAP_SETPCAP',
  'CAP_NET_BIND_SERVICE',
  'CAP_SYS_CHROOT',
  'CAP_KILL',
  'CAP_AUDIT_WRITE',
];

/** By number (linux/capability.h). */
const ALL_CAPABILITIES: readonly string[] = [
  'CHOWN',
  'DAC_OVERRIDE',
  'DAC_READ_SEARCH',
  'FOWNER',
  'FSETID',
  'KILL',
  'SETGID',
  'SETUID',
  'SETPCAP',
  'LINUX_IMMUTABLE',
  'NET_BIND_SERVICE',
  'NET_BROADCAST',
  'NET_ADMIN',
  'NET_RAW',
  'IPC_LOCK',
  'IPC_OWNER',
  'SYS_MODULE',
  'SYS_RAWIO',
  'SYS_CHROOT',
  'SYS_PTRACE',
  'SYS_PACCT',
  'SYS_ADMIN',
  'SYS_BOOT',
  'SYS_NICE',
  'SYS_RESOURCE',
  'SYS_TIME',
  'SYS_TTY_CONFIG',
  'MKNOD',
  'LEASE',
  'AUDIT_WRITE',
  'AUDIT_CONTROL',
  'SETFCAP',
  'MAC_OVERRIDE',
  'MAC_ADMIN',
  'SYSLOG',
  'WAKE_ALARM',
  'BLOCK_SUSPEND',
  'AUDIT_READ',
  'PERFMON',
  'BPF',
  'CHECKPOINT_RESTORE',
].map((name) => `CAP_${name}`);

let held: readonly string[] | undefined;

/** The capabilities that this daemon can give away: those in its own bounding set. */
function availableCapabilities(): readonly string[] {
  if (!held) {
    const line = /^CapBnd:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'));
    const bits = BigInt(`0x${line?.[1] ?? '0'}`);
    held = ALL_CAPABILITIES.filter((_name, number) => (bits >> BigInt(number)) & 1n);
  }
  return held;
}

/** Throws InvalidArgument for a name that is none. */
export function normalizeCapability(name: string, field: 'CapAdd' | 'CapDrop'): string {
  const upper = name.trim().toUpperCase();
  if (upper === 'ALL') return upper;
  const full = upper.startsWith('CAP_') ? upper : `CAP_${upper}`;
  if (!ALL_CAPABILITIES.includes(full)) {
    throw new EngineError('InvalidArgument', `invalid ${field}: unknown capability: "${full}"`, { layer: 'daemon' });
  }
  return full;
}

export function capabilitiesOf(options: { privileged: boolean; add: readonly string[]; drop: readonly string[] }): string[] {
  const add = options.add.map((name) => normalizeCapability(name, 'CapAdd'));
  const drop = options.drop.map((name) => normalizeCapability(name, 'CapDrop'));
  if (options.privileged) return [...availableCapabilities()];
  const available = availableCapabilities();
  const base = add.includes('ALL') ? available : drop.includes('ALL') ? [] : DEFAULT_CAPABILITIES;
  const chosen = new Set([...base, ...add]);
  for (const name of drop) chosen.delete(name);
  return ALL_CAPABILITIES.filter((name) => chosen.has(name) && available.includes(name));
}
