// The configuration of a warm-up's container: what a daemon asks for, so that the same code runs.
import { DEFAULT_CAPABILITIES } from '@berth/oci/capability-names';
import type { Spec } from '@berth/oci/runtime-spec';

export function drySpec(id: string, rootfs: string): Spec {
  const capabilities = [...DEFAULT_CAPABILITIES];
  return {
    ociVersion: '1.2.0',
    hostname: 'warm',
    root: { path: rootfs },
    process: {
      args: ['warm'],
      cwd: '/',
      env: ['PATH=/usr/local/bin:/usr/bin:/bin', 'HOSTNAME=warm', 'HOME=/root'],
      user: { uid: 0, gid: 0, additionalGids: [10] },
      capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
      rlimits: [{ type: 'RLIMIT_CORE', soft: 0, hard: 0 }],
    },
    mounts: [
      { destination: '/proc', type: 'proc', source: 'proc', options: ['nosuid', 'noexec', 'nodev'] },
      { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'] },
      {
        destination: '/dev/pts',
        type: 'devpts',
        source: 'devpts',
        options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620'],
      },
      { destination: '/dev/shm', type: 'tmpfs', source: 'shm', options: ['nosuid', 'noexec', 'nodev', 'mode=1777', 'size=67108864'] },
      { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: ['nosuid', 'noexec', 'nodev'] },
      { destination: '/sys', type: 'sysfs', source: 'sysfs', options: ['nosuid', 'noexec', 'nodev', 'ro'] },
      { destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup', options: ['ro', 'nosuid', 'noexec', 'nodev'] },
      { destination: '/etc/hosts', type: 'bind', source: '/etc/hosts', options: ['rbind', 'rprivate'] },
    ],
    linux: {
      namespaces: (['pid', 'mount', 'uts', 'ipc', 'network'] as const).map((type) => ({ type })),
      cgroupsPath: `/berth-${id}`,
      resources: {
        devices: [
          { allow: false, access: 'rwm' },
          { allow: true, type: 'c', major: 1, minor: 5, access: 'rwm' },
          { allow: true, type: 'c', major: 5, minor: 0, access: 'rwm' },
        ],
        memory: { limit: 256 << 20, swap: 512 << 20 },
        pids: { limit: 100 },
      },
      seccomp: {
        defaultAction: 'SCMP_ACT_ALLOW',
        architectures: ['SCMP_ARCH_NATIVE'],
        syscalls: [{ names: ['acct', 'add_key', 'bpf', 'reboot', 'swapon'], action: 'SCMP_ACT_ERRNO' }],
      },
      sysctl: { 'net.ipv4.ip_unprivileged_port_start': '0' },
      maskedPaths: ['/proc/asound', '/proc/acpi', '/proc/kcore', '/proc/keys', '/proc/timer_list', '/sys/firmware'],
      readonlyPaths: ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'],
    },
  };
}
