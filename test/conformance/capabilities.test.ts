// Capabilities of a process (config.md "Linux Process": capabilities; capabilities(7)).
import assert from 'node:assert/strict';
import type { Capabilities } from '@berth/oci/runtime-spec';
import type { Laboratory } from '../runtime/laboratory.ts';
import { conformance } from './suite.ts';

const NAMES = ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'] as const;

/** The five sets of a process with these, and of what it executes. */
function setsOf(laboratory: Laboratory, capabilities: Capabilities | undefined, uid = 0): Record<(typeof NAMES)[number], bigint> {
  const { stdout, stderr } = laboratory.run('', (spec) => {
    if (!spec.process) return;
    spec.process.args = ['cat', '/proc/self/status'];
    spec.process.user = { uid, gid: uid };
    if (capabilities) spec.process.capabilities = capabilities;
    else delete spec.process.capabilities;
  });
  const value = (name: string) => BigInt(`0x${new RegExp(`^${name}:\\s*([0-9a-f]+)`, 'm').exec(stdout)?.[1] ?? assert.fail(stderr)}`);
  return Object.fromEntries(NAMES.map((name) => [name, value(name)])) as Record<(typeof NAMES)[number], bigint>;
}

const KILL = 1n << 5n;
const CHOWN = 1n;

conformance('each set is what is asked for', (laboratory) => {
  const sets = setsOf(
    laboratory,
    {
      bounding: ['CAP_CHOWN', 'CAP_KILL'],
      permitted: ['CAP_KILL'],
      effective: ['CAP_KILL'],
      inheritable: ['CAP_KILL'],
      ambient: ['CAP_KILL'],
    },
    1000,
  );
  assert.deepEqual(sets, { CapInh: KILL, CapPrm: KILL, CapEff: KILL, CapBnd: KILL | CHOWN, CapAmb: KILL });
});

conformance('root executes with what the bounding set has', (laboratory) => {
  const sets = setsOf(laboratory, { bounding: ['CAP_CHOWN'], permitted: ['CAP_CHOWN'], effective: ['CAP_CHOWN'] });
  assert.deepEqual(sets, { CapInh: 0n, CapPrm: CHOWN, CapEff: CHOWN, CapBnd: CHOWN, CapAmb: 0n });
});

conformance('no capabilities at all', (laboratory) => {
  const sets = setsOf(laboratory, {});
  assert.deepEqual(sets, { CapInh: 0n, CapPrm: 0n, CapEff: 0n, CapBnd: 0n, CapAmb: 0n });
});

conformance('without ambient ones a user executes with none', (laboratory) => {
  const own = ['CAP_KILL'];
  const sets = setsOf(laboratory, { bounding: own, permitted: own, effective: own, inheritable: own }, 1000);
  assert.deepEqual([sets.CapPrm, sets.CapEff, sets.CapAmb], [0n, 0n, 0n]);
});
