// System call filters (config-linux.md "Seccomp").
import assert from 'node:assert/strict';
import type { LinuxSeccomp } from '@berth/oci/runtime-spec';
import { architecture, NATIVE } from '@berth/sys/architecture';
import type { Laboratory } from '../runtime/laboratory.ts';
import { conformance } from './suite.ts';

conformance('a seccomp filter answers for the kernel', (laboratory) => {
  const result = laboratory.run('mkdir /tmp/x; hostname', (spec) => {
    if (spec.linux) {
      spec.linux.seccomp = {
        defaultAction: 'SCMP_ACT_ALLOW',
        architectures: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_AARCH64'],
        syscalls: [{ names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO', errnoRet: 95 }],
      };
    }
  });
  assert.match(result.stderr, /Not supported|not supported/);
});

const filtered = (laboratory: Laboratory, script: string, seccomp: Partial<LinuxSeccomp>) =>
  laboratory.run(script, (spec) => {
    if (spec.linux) spec.linux.seccomp = { defaultAction: 'SCMP_ACT_ALLOW', ...seccomp };
  });

conformance('arguments decide', (laboratory) => {
  const result = filtered(laboratory, 'kill -0 $$ 2>/dev/null; echo $?; sleep 9 & kill -TERM $!; echo $?', {
    syscalls: [{ names: ['kill'], action: 'SCMP_ACT_ERRNO', errnoRet: 1, args: [{ index: 1, value: 0, op: 'SCMP_CMP_EQ' }] }],
  });
  assert.equal(result.stdout, '1\n0\n', result.stderr);
});

conformance('a call that kills', (laboratory) => {
  const result = filtered(laboratory, 'mkdir /tmp/x; echo $?', {
    syscalls: [{ names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_KILL_PROCESS' }],
  });
  assert.equal(result.stdout, '159\n', result.stderr);
});

conformance('everything but what is allowed, with an errno of its own', (laboratory) => {
  const most = [...architecture(NATIVE).syscalls.keys()].filter((name) => !/^mkdir/.test(name));
  const result = filtered(laboratory, 'mkdir /tmp/x', {
    defaultAction: 'SCMP_ACT_ERRNO',
    defaultErrnoRet: 28,
    syscalls: [{ names: most, action: 'SCMP_ACT_ALLOW' }],
  });
  assert.match(result.stderr, /No space left on device/);
});

conformance(
  'a filter that was written before the newest calls takes a container from create to its end',
  (laboratory) => {
    const old = [...architecture(NATIVE).syscalls].filter(([, number]) => number < 424).map(([name]) => name);
    for (const noNewPrivileges of [false, true]) {
      const id = laboratory.id();
      const bundle = laboratory.bundle('sleep 1000', (spec) => {
        if (spec.process) spec.process.noNewPrivileges = noNewPrivileges;
        if (spec.linux) {
          spec.linux.seccomp = {
            defaultAction: 'SCMP_ACT_KILL_PROCESS',
            syscalls: [{ names: [...old, 'openat2'], action: 'SCMP_ACT_ALLOW' }],
          };
        }
      });
      for (const words of [
        ['create', '-b', bundle, id],
        ['start', id],
        ['exec', id, 'true'],
        ['delete', '--force', id],
      ]) {
        const { code, stderr } = laboratory.runtime(words);
        assert.equal(code, 0, `${words[0]}, noNewPrivileges ${noNewPrivileges}: ${stderr}`);
        if (words[0] === 'start') assert.equal(laboratory.state(id).status, 'running');
      }
    }
  },
  { runc: 'runc 1.1 makes such calls itself before the program is executed' },
);

conformance('names that no architecture knows are skipped', (laboratory) => {
  assert.equal(filtered(laboratory, 'echo on', { syscalls: [{ names: ['nonsense', 'mkdir'], action: 'SCMP_ACT_ERRNO' }] }).stdout, 'on\n');
});

conformance('an action, an architecture and an operator that are none are refused', (laboratory) => {
  const wrong: Partial<LinuxSeccomp>[] = [
    { defaultAction: 'SCMP_ACT_LUCK' as 'SCMP_ACT_LOG' },
    { architectures: ['SCMP_ARCH_LUCK'] },
    { syscalls: [{ names: ['kill'], action: 'SCMP_ACT_ERRNO', args: [{ index: 0, value: 0, op: 'SCMP_CMP_LUCK' as 'SCMP_CMP_EQ' }] }] },
  ];
  for (const seccomp of wrong) assert.notEqual(filtered(laboratory, 'true', seccomp).code, 0, JSON.stringify(seccomp));
});
