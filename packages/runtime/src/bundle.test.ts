import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EngineError } from '@berth/errdefs/engine-error';
import type { Spec } from '@berth/oci/runtime-spec';
import { validateSpec } from './bundle.ts';
import { exampleSpec, rootlessSpec } from './example-spec.ts';

test('what `spec` writes is valid', () => {
  validateSpec(exampleSpec());
  validateSpec(rootlessSpec(1000, 1000));
});

const WRONG: [name: string, change: (spec: Spec) => void, message: RegExp][] = [
  ['a version', (spec) => Object.assign(spec, { ociVersion: '2.0' }), /^config\.json: ociVersion must be a version 1\.x\.y, not "2\.0"$/],
  ['no root', (spec) => delete spec.root, /root is missing/],
  ['no process', (spec) => delete spec.process, /process is missing/],
  ['no program', (spec) => Object.assign(spec.process ?? {}, { args: [] }), /process\.args must not be empty/],
  ['a relative directory', (spec) => Object.assign(spec.process ?? {}, { cwd: 'tmp' }), /^Cwd must be an absolute path$/],
  ['a null byte', (spec) => spec.process?.env?.push('A=\0'), /process\.env\[2\] contains a null byte/],
  [
    'a limit',
    (spec) => spec.process?.rlimits?.push({ type: 'RLIMIT_LUCK', soft: 1, hard: 1 }),
    /process\.rlimits\[1\]\.type has the unknown value "RLIMIT_LUCK"/,
  ],
  [
    'a negative user',
    (spec) => Object.assign(spec.process ?? {}, { user: { uid: -1, gid: 0 } }),
    /process\.user\.uid must be from 0 to 4294967294, not -1/,
  ],
  [
    'a namespace',
    (spec) => spec.linux?.namespaces?.push({ type: 'luck' as 'pid' }),
    /linux\.namespaces\[6\]\.type has the unknown value "luck"/,
  ],
  [
    'a host name without a namespace',
    (spec) => Object.assign(spec.linux ?? {}, { namespaces: [{ type: 'mount' }] }),
    /hostname needs a UTS namespace/,
  ],
  ['a user namespace without maps', (spec) => spec.linux?.namespaces?.push({ type: 'user' }), /linux\.uidMappings are needed/],
  [
    'a sysctl of the host',
    (spec) => Object.assign(spec.linux ?? {}, { sysctl: { 'vm.swappiness': '1' } }),
    /vm\.swappiness is not in a separate kernel namespace/,
  ],
  [
    'a sysctl that leads out of its namespace',
    (spec) => Object.assign(spec.linux ?? {}, { sysctl: { 'net/../kernel/core_pattern': 'x' } }),
    /sysctl\["net\/\.\.\/kernel\/core_pattern"\] is not the name of a sysctl/,
  ],
  [
    'a hook without a path',
    (spec) => Object.assign(spec, { hooks: { poststop: [{ path: 'sh' }] } }),
    /hooks\.poststop\[0\]\.path must be absolute/,
  ],
  [
    'a device',
    (spec) => Object.assign(spec.linux ?? {}, { devices: [{ type: 'x', path: '/dev/x' }] }),
    /linux\.devices\[0\]\.type has the unknown value "x": it must be one of c, b, u, p/,
  ],
  ['a mount', (spec) => spec.mounts?.push({ destination: 7 as unknown as string }), /mounts\[7\]\.destination must be a string, not 7/],
];

for (const [name, change, message] of WRONG) {
  test(`refused: ${name}`, () => {
    const spec = exampleSpec();
    change(spec);
    assert.throws(
      () => validateSpec(spec),
      (error) =>
        error instanceof EngineError && error.kind === 'InvalidArgument' && message.test(error.message) && !error.message.includes('\n'),
    );
  });
}
