// The kernel's word on our filters: real programs under them.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { DEFAULT_SECCOMP_PROFILE } from '@berth/daemon/containers/spec/seccomp-default';
import { resolveProfile } from '@berth/daemon/containers/spec/seccomp-profile';
import type { LinuxSeccomp } from '@berth/oci/runtime-spec';

interface Outcome {
  stdout: string;
  stderr: string;
  signal: string | null;
}

function under(profile: LinuxSeccomp, script: string): Outcome {
  const child = fileURLToPath(new URL('seccomp-child.ts', import.meta.url));
  const { stdout, stderr, signal } = spawnSync(process.execPath, [child, JSON.stringify(profile), script], {
    encoding: 'utf8',
    timeout: 10_000,
  });
  return { stdout, stderr, signal };
}

test("Docker's default profile: ordinary programs run, namespaces and mounts do not", () => {
  const profile = resolveProfile(DEFAULT_SECCOMP_PROFILE, { capabilities: [], architecture: process.arch, kernel: '6.1.0' });
  const { stdout, stderr } = under(
    profile,
    'seq 100 | sort -n | tail -1; grep Seccomp: /proc/self/status; unshare -U true; mount -t tmpfs x /mnt',
  );
  assert.match(stdout, /^100\nSeccomp:\s+2/);
  assert.match(stderr, /unshare.*Operation not permitted/);
  assert.match(stderr, /mount.*permission denied/);
});

test('an errno of its own', () => {
  const { stderr } = under(
    { defaultAction: 'SCMP_ACT_ALLOW', syscalls: [{ names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO', errnoRet: 28 }] },
    'mkdir /tmp/never',
  );
  assert.match(stderr, /No space left on device/);
});

test('arguments decide', () => {
  // kill(pid, 0) is refused, every other signal is not
  const profile: LinuxSeccomp = {
    defaultAction: 'SCMP_ACT_ALLOW',
    syscalls: [{ names: ['kill'], action: 'SCMP_ACT_ERRNO', errnoRet: 1, args: [{ index: 1, value: 0, op: 'SCMP_CMP_EQ' }] }],
  };
  const { stdout } = under(profile, 'kill -0 $$ 2>/dev/null; echo $?; sleep 9 & kill -TERM $!; echo $?');
  assert.equal(stdout, '1\n0\n');
});

test('a call that kills', () => {
  const profile: LinuxSeccomp = {
    defaultAction: 'SCMP_ACT_ALLOW',
    syscalls: [{ names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_KILL_PROCESS' }],
  };
  assert.equal(under(profile, 'exec mkdir /tmp/never').signal, 'SIGSYS');
});
