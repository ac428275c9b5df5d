import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_SECCOMP_PROFILE } from './seccomp-default.ts';
import { type ProfileContext, parseProfile, resolveProfile } from './seccomp-profile.ts';

const context: ProfileContext = { capabilities: [], architecture: 'x64', kernel: '6.1.0-18-amd64' };

test('the default profile depends on capabilities', () => {
  const names = (capabilities: string[]) =>
    resolveProfile(DEFAULT_SECCOMP_PROFILE, { ...context, capabilities })
      .syscalls?.filter((rule) => !rule.args)
      .flatMap((rule) => rule.names) ?? [];
  assert.ok(!names([]).includes('mount'));
  assert.ok(names(['CAP_SYS_ADMIN']).includes('mount'));
  assert.ok(names(['CAP_SYS_CHROOT']).includes('chroot'));
  assert.ok(names([]).includes('arch_prctl'));
  assert.ok(names([]).includes('ptrace'));
  assert.ok(!names([]).includes('io_uring_setup'));
});

test('clone makes namespaces only for an administrator; clone3 is not implemented for others', () => {
  const of = (capabilities: string[], name: string) =>
    resolveProfile(DEFAULT_SECCOMP_PROFILE, { ...context, capabilities }).syscalls?.filter((rule) => rule.names.includes(name));
  assert.equal(of([], 'clone')?.[0]?.args?.[0]?.op, 'SCMP_CMP_MASKED_EQ');
  assert.deepEqual(
    of([], 'clone3')?.map((rule) => rule.errnoRet),
    [38],
  );
  assert.deepEqual(
    of(['CAP_SYS_ADMIN'], 'clone3')?.map((rule) => rule.action),
    ['SCMP_ACT_ALLOW'],
  );
});

test('architectures follow the host', () => {
  assert.deepEqual(resolveProfile(DEFAULT_SECCOMP_PROFILE, context).architectures, ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32']);
  assert.deepEqual(resolveProfile(DEFAULT_SECCOMP_PROFILE, { ...context, architecture: 'arm64' }).architectures, [
    'SCMP_ARCH_AARCH64',
    'SCMP_ARCH_ARM',
  ]);
});

test('rules for a kernel', () => {
  const profile = parseProfile(
    '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"name":"ptrace","action":"SCMP_ACT_ERRNO","excludes":{"minKernel":"4.8"}}]}',
  );
  assert.equal(resolveProfile(profile, context).syscalls?.length, 0);
  assert.deepEqual(resolveProfile(profile, { ...context, kernel: '4.4.0' }).syscalls?.[0]?.names, ['ptrace']);
});

test('broken profiles are refused in one line', () => {
  assert.throws(() => parseProfile('{'), /^EngineError: Decoding seccomp profile failed: /);
  assert.throws(() => parseProfile('[]'), /not a JSON object/);
  assert.throws(
    () =>
      resolveProfile(
        { defaultAction: 'SCMP_ACT_ALLOW', architectures: ['SCMP_ARCH_X86'], archMap: [{ architecture: 'SCMP_ARCH_X86_64' }] },
        context,
      ),
    /use either 'architectures' or 'archMap'/,
  );
});
