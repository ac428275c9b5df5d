// Capabilities of a container: Docker's fourteen by default, changed by --cap-add, --cap-drop and --privileged
// (moby's daemon/pkg/oci/caps). Names are accepted with and without CAP_, in any case; ALL stands for what the kernel has.
import { readFileSync } from 'node:fs';
import { EngineError } from '@berth/errdefs/engine-error';
import { CAPABILITY_NAMES, DEFAULT_CAPABILITIES } from '@berth/oci/capability-names';

let held: readonly string[] | undefined;

/** The capabilities that this daemon can give away: those in its own bounding set. */
function availableCapabilities(): readonly string[] {
  if (!held) {
    const line = /^CapBnd:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'));
    const bits = BigInt(`0x${line?.[1] ?? '0'}`);
    held = CAPABILITY_NAMES.filter((_name, number) => (bits >> BigInt(number)) & 1n);
  }
  return held;
}

/** Throws InvalidArgument for a name that is none. */
export function normalizeCapability(name: string, field: 'CapAdd' | 'CapDrop'): string {
  const upper = name.trim().toUpperCase();
  if (upper === 'ALL') return upper;
  const full = upper.startsWith('CAP_') ? upper : `CAP_${upper}`;
  if (!CAPABILITY_NAMES.includes(full)) {
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
  return CAPABILITY_NAMES.filter((name) => chosen.has(name) && available.includes(name));
}
