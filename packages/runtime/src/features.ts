// What this runtime can do, as runtime-spec's features.md describes it.
import { CAPABILITY_NAMES } from '@berth/oci/capability-names';
import { HOOK_KINDS, NAMESPACE_TYPES } from '@berth/oci/runtime-spec';
import { MEMORY_POLICY_FLAGS, MEMORY_POLICY_MODES } from './memory-policy.ts';
import { knownMountOptions } from './mount-options.ts';
import { SECCOMP_FLAGS } from './seccomp/filter.ts';

export function features() {
  return {
    ociVersionMin: '1.0.0',
    // Newer than what is written into configurations, which older runtimes are to take, too.
    ociVersionMax: '1.3.0',
    hooks: [...HOOK_KINDS],
    mountOptions: knownMountOptions(),
    linux: {
      namespaces: [...NAMESPACE_TYPES].sort(),
      capabilities: [...CAPABILITY_NAMES],
      cgroup: { v1: true, v2: true, systemd: true, systemdUser: true, rdma: true },
      seccomp: {
        enabled: true,
        actions: ['ALLOW', 'ERRNO', 'KILL', 'KILL_PROCESS', 'KILL_THREAD', 'LOG', 'NOTIFY', 'TRACE', 'TRAP'].map(
          (name) => `SCMP_ACT_${name}`,
        ),
        operators: ['EQ', 'GE', 'GT', 'LE', 'LT', 'MASKED_EQ', 'NE'].map((name) => `SCMP_CMP_${name}`),
        archs: ['AARCH64', 'ARM', 'X32', 'X86', 'X86_64'].map((name) => `SCMP_ARCH_${name}`),
        knownFlags: [...SECCOMP_FLAGS],
        supportedFlags: [...SECCOMP_FLAGS],
      },
      apparmor: { enabled: true },
      selinux: { enabled: true },
      intelRdt: { enabled: true, schemata: true, monitoring: true },
      memoryPolicy: { modes: MEMORY_POLICY_MODES, flags: MEMORY_POLICY_FLAGS },
      netDevices: { enabled: true },
      mountExtensions: { idmap: { enabled: true } },
    },
  };
}
