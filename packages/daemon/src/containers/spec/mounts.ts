// The mounts of a container, in the order they are made: the kernel's file systems, then the user's by depth, then the three files
// that tell the container who and where it is. Volumes and binds are already settled paths here.
import { existsSync } from 'node:fs';
import type { HostConfig } from '@berth/api/host-config';
import type { Mount } from '@berth/oci/runtime-spec';
import type { ContainerMount } from '../container.ts';

export interface MountInputs {
  readonly hostConfig: HostConfig;
  readonly shmSize: number;
  readonly mounts: readonly ContainerMount[];
  /** Paths on the host; left out where the network mode has none. */
  readonly files: { readonly hostname?: string; readonly hosts?: string; readonly resolvConf?: string; readonly marker?: string };
  /** /dev/shm of another container or of the host, instead of its own. */
  readonly sharedShm: string | undefined;
  readonly cgroupWritable: boolean;
}

export function containerMounts(inputs: MountInputs): Mount[] {
  const { hostConfig } = inputs;
  const privileged = hostConfig.Privileged === true;
  const readOnly = privileged ? [] : ['ro'];
  const own: Mount[] = [
    { destination: '/proc', type: 'proc', source: 'proc', options: ['nosuid', 'noexec', 'nodev'] },
    { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'] },
    {
      destination: '/dev/pts',
      type: 'devpts',
      source: 'devpts',
      options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'],
    },
    { destination: '/sys', type: 'sysfs', source: 'sysfs', options: ['nosuid', 'noexec', 'nodev', ...readOnly] },
    {
      destination: '/sys/fs/cgroup',
      type: 'cgroup',
      source: 'cgroup',
      options: ['nosuid', 'noexec', 'nodev', ...(inputs.cgroupWritable ? [] : readOnly)],
    },
    ...(hostConfig.IpcMode === 'host' && existsSync('/dev/mqueue')
      ? [bind('/dev/mqueue', '/dev/mqueue', true)]
      : [{ destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: ['nosuid', 'noexec', 'nodev'] }]),
    ...(inputs.sharedShm !== undefined
      ? [bind('/dev/shm', inputs.sharedShm, true)]
      : hostConfig.IpcMode === 'none'
        ? []
        : [
            {
              destination: '/dev/shm',
              type: 'tmpfs',
              source: 'shm',
              options: ['nosuid', 'noexec', 'nodev', 'mode=1777', `size=${inputs.shmSize}`],
            },
          ]),
  ];
  const asked = [...inputs.mounts.map(mountOf), ...fileMounts(inputs)].sort((a, b) => depth(a) - depth(b));
  const replaced = new Set(asked.map((mount) => mount.destination));
  return [...own.filter((mount) => !replaced.has(mount.destination)), ...asked];
}

function mountOf(mount: ContainerMount): Mount {
  if (mount.Type === 'tmpfs') {
    return { destination: mount.Destination, type: 'tmpfs', source: 'tmpfs', options: tmpfsOptions(mount) };
  }
  // Read-only is what is mounted below it as well, as with moby since API 1.44.
  const readOnly = mount.RW ? [] : [mount.nonRecursive || mount.readOnlyNonRecursive ? 'ro' : 'rro'];
  // No `rw`: what is read-only on the host stays so.
  const options = [mount.nonRecursive ? 'bind' : 'rbind', ...readOnly, mount.Propagation || 'rprivate'];
  return { destination: mount.Destination, type: 'bind', source: mount.at ?? mount.Source, options };
}

function tmpfsOptions(mount: ContainerMount): string[] {
  const asked = mount.options ?? [];
  const defaults = ['noexec', 'nosuid', 'nodev'].filter((flag) => !asked.includes(flag.slice(2)));
  return [...defaults, ...(mount.RW ? [] : ['ro']), ...asked];
}

function fileMounts(inputs: MountInputs): Mount[] {
  const taken = new Set(inputs.mounts.map((mount) => mount.Destination));
  const files = [
    ['/etc/resolv.conf', inputs.files.resolvConf],
    ['/etc/hostname', inputs.files.hostname],
    ['/etc/hosts', inputs.files.hosts],
  ] as const;
  const marker = inputs.files.marker === undefined ? [] : [bind('/.dockerenv', inputs.files.marker, false)];
  const own = files.flatMap(([destination, source]) =>
    source === undefined || taken.has(destination) ? [] : [bind(destination, source, !inputs.hostConfig.ReadonlyRootfs)],
  );
  return [...own, ...marker];
}

function bind(destination: string, source: string, writable: boolean): Mount {
  return { destination, type: 'bind', source, options: ['rbind', writable ? 'rw' : 'ro', 'rprivate'] };
}

function depth(mount: Mount): number {
  return mount.destination.split('/').filter(Boolean).length;
}
