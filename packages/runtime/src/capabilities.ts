// The five sets of capabilities in config.json as the kernel's bit masks (capabilities(7)). Worked out by the runtime's parent process.
import { CAPABILITY_NAMES } from '@berth/oci/capability-names';
import type { Capabilities } from '@berth/oci/runtime-spec';

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
