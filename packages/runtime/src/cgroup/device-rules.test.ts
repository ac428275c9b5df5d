import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DeviceRule } from '@berth/oci/runtime-spec';
import { compileDeviceProgram } from './device-program.ts';
import { DEFAULT_RULES, devicePolicy, ruleText } from './device-rules.ts';

const lines = (rules: DeviceRule[]) => {
  const policy = devicePolicy(rules);
  return [policy.default, ...policy.exceptions.map(ruleText)];
};

test('an a rule resets, whatever else it says', () => {
  assert.deepEqual(
    lines([
      { allow: true, type: 'c', major: 1, minor: 3, access: 'r' },
      { allow: false, access: 'rwm' },
    ]),
    ['deny'],
  );
  assert.deepEqual(lines([{ allow: true, type: 'a', major: 5, access: 'r' }]), ['allow']);
});

test('access to one device adds up, and is taken back letter by letter', () => {
  const device: DeviceRule = { allow: true, type: 'c', major: 1, minor: 3 };
  assert.deepEqual(
    lines([
      { ...device, access: 'r' },
      { ...device, access: 'mw' },
    ]),
    ['deny', 'c 1:3 rwm'],
  );
  assert.deepEqual(lines([device, { ...device, allow: false, access: 'w' }]), ['deny', 'c 1:3 rm']);
  assert.deepEqual(lines([device, { allow: false, type: 'c', access: 'rwm' }]), ['deny']);
});

test('a hole in a wildcard is refused instead of being ignored', () => {
  assert.throws(
    () =>
      lines([
        { allow: true, type: 'c', major: 10 },
        { allow: false, type: 'c', major: 10, minor: 200 },
      ]),
    /c 10:200 rwm takes a part out of the earlier c 10:\* rwm/,
  );
});

test('all devices but one', () => {
  assert.deepEqual(
    lines([
      { allow: true, type: 'a' },
      { allow: false, type: 'b', major: 8, access: 'w' },
    ]),
    ['allow', 'b 8:* w'],
  );
});

test('the program answers as the policy says', () => {
  const open = (rules: DeviceRule[]) => interpret(compileDeviceProgram(devicePolicy(rules)));
  const closed = open([{ allow: false }, ...DEFAULT_RULES, { allow: true, type: 'c', major: 10, minor: 229, access: 'r' }]);
  assert.equal(closed('c', 'rw', 1, 3), 1);
  assert.equal(closed('b', 'm', 8, 0), 1);
  assert.equal(closed('b', 'r', 8, 0), 0);
  assert.equal(closed('c', 'r', 136, 77), 1);
  assert.equal(closed('c', 'r', 10, 229), 1);
  assert.equal(closed('c', 'rw', 10, 229), 0);
  const most = open([
    { allow: true, type: 'a' },
    { allow: false, type: 'b', major: 8, access: 'w' },
  ]);
  assert.equal(most('b', 'r', 8, 1), 1);
  assert.equal(most('b', 'rw', 8, 1), 0);
  assert.equal(most('c', 'rw', 8, 1), 1);
});

/** Enough of eBPF for what the compiler emits. */
function interpret(program: Uint8Array): (type: 'b' | 'c', access: string, major: number, minor: number) => number {
  const view = new DataView(program.buffer);
  return (type, access, major, minor) => {
    const bits = [...access].reduce((sum, letter) => sum | { m: 1, r: 2, w: 4 }[letter as 'm'], 0);
    const context = [(bits << 16) | (type === 'b' ? 1 : 2), major, minor];
    const registers = [0, 0, 0, 0, 0, 0];
    for (let at = 0; ; at++) {
      const code = view.getUint8(at * 8);
      const [dst, src] = [view.getUint8(at * 8 + 1) & 15, view.getUint8(at * 8 + 1) >> 4];
      const [offset, imm] = [view.getInt16(at * 8 + 2, true), view.getInt32(at * 8 + 4, true)];
      const [to, from] = [registers[dst] ?? 0, registers[src] ?? 0];
      if (code === 0x95) return registers[0] ?? 0;
      else if (code === 0x61) registers[dst] = context[offset / 4] ?? 0;
      else if (code === 0xbc) registers[dst] = from;
      else if (code === 0xb4) registers[dst] = imm;
      else if (code === 0x54) registers[dst] = to & imm;
      else if (code === 0x74) registers[dst] = to >>> imm;
      else if (code === 0x56) at += to === imm ? 0 : offset;
      else if (code === 0x5e) at += to === from ? 0 : offset;
      else if (code === 0x16) at += to === imm ? offset : 0;
      else throw new Error(`unexpected instruction 0x${code.toString(16)}`);
    }
  };
}
