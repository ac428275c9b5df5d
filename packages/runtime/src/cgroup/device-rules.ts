// Which devices a container may use: the rules of a bundle brought to the form that the kernel keeps, a default and its exceptions.
//
// Pure. v1 writes the result to devices.allow and devices.deny, v2 compiles it to a program (device-program.ts). Facts:
// cgroup-v1/devices.rst; the default list is the one that runtime-spec's "Default Devices" need, with what runc adds to it.
import { EngineError } from '@berth/errdefs/engine-error';
import type { DeviceRule } from '@berth/oci/runtime-spec';

export interface DeviceException {
  type: 'b' | 'c';
  /** -1 is every one. */
  major: number;
  minor: number;
  /** In the order r, w, m. */
  access: string;
}

/** `allow`: everything but the exceptions; `deny`: nothing but the exceptions. */
export interface DevicePolicy {
  default: 'allow' | 'deny';
  exceptions: DeviceException[];
}

const ANY = -1;

/** mknod of anything, and the devices that every container has: null, zero, full, random, urandom, tty, console, ptmx and its slaves. */
export const DEFAULT_RULES: readonly DeviceRule[] = [
  { allow: true, type: 'c', access: 'm' },
  { allow: true, type: 'b', access: 'm' },
  ...[
    [1, 3],
    [1, 5],
    [1, 7],
    [1, 8],
    [1, 9],
    [5, 0],
    [5, 1],
    [5, 2],
  ].map(([major, minor]): DeviceRule => ({ allow: true, type: 'c', major, minor, access: 'rwm' })),
  { allow: true, type: 'c', major: 136, access: 'rwm' },
];

/** Applies the rules in order to a policy that denies everything. */
export function devicePolicy(rules: readonly DeviceRule[]): DevicePolicy {
  let base: DevicePolicy['default'] = 'deny';
  let exceptions = new Map<string, DeviceException>();
  for (const rule of rules) {
    const type = rule.type ?? 'a';
    // The kernel ignores numbers and access of an `a` line: it resets the policy.
    if (type === 'a') {
      base = rule.allow ? 'allow' : 'deny';
      exceptions = new Map();
      continue;
    }
    const entry = { type, major: rule.major ?? ANY, minor: rule.minor ?? ANY, access: ordered(rule.access ?? 'rwm') };
    if (rule.allow === (base === 'deny')) add(exceptions, entry);
    else take(exceptions, entry);
  }
  return { default: base, exceptions: [...exceptions.values()] };
}

function add(exceptions: Map<string, DeviceException>, entry: DeviceException): void {
  const key = keyOf(entry);
  exceptions.set(key, { ...entry, access: ordered((exceptions.get(key)?.access ?? '') + entry.access) });
}

/** Takes access back. Part of a wider exception cannot be taken: the kernel has no such form, and would ignore it silently. */
function take(exceptions: Map<string, DeviceException>, entry: DeviceException): void {
  for (const [key, existing] of exceptions) {
    if (existing.type !== entry.type) continue;
    const covered = within(existing.major, entry.major) && within(existing.minor, entry.minor);
    if (!covered) {
      const overlaps = overlap(existing.major, entry.major) && overlap(existing.minor, entry.minor);
      if (overlaps && [...entry.access].some((letter) => existing.access.includes(letter))) throw hole(existing, entry);
      continue;
    }
    const access = [...existing.access].filter((letter) => !entry.access.includes(letter)).join('');
    if (access === '') exceptions.delete(key);
    else exceptions.set(key, { ...existing, access });
  }
}

function within(inner: number, outer: number): boolean {
  return outer === ANY || inner === outer;
}

function overlap(one: number, other: number): boolean {
  return one === ANY || other === ANY || one === other;
}

function hole(existing: DeviceException, entry: DeviceException): EngineError {
  return new EngineError(
    'InvalidArgument',
    `device cgroup rule ${ruleText(entry)} takes a part out of the earlier ${ruleText(existing)}, which the kernel cannot express; list the devices one by one`,
    { layer: 'runtime' },
  );
}

/** Other letters mean nothing, as in runc: bundles with them exist. */
function ordered(access: string): string {
  return [...'rwm'].filter((letter) => access.includes(letter)).join('');
}

function keyOf(entry: DeviceException): string {
  return `${entry.type} ${entry.major}:${entry.minor}`;
}

/** As the kernel writes it: `c 1:3 rwm`. */
export function ruleText(entry: DeviceException): string {
  const number = (value: number) => (value === ANY ? '*' : String(value));
  return `${entry.type} ${number(entry.major)}:${number(entry.minor)} ${entry.access}`;
}
