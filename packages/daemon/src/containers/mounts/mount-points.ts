// What the runtime makes in a container's root for its own mounts where the image lacks it: no change of the container's. (dockerd hides
// it in a layer of its own below each container.)

/** Paths from the root, contents before their directories. */
export const MOUNT_POINTS: readonly string[] = [
  '.dockerenv',
  'etc/hosts',
  'etc/hostname',
  'etc/resolv.conf',
  'etc',
  'dev/console',
  'dev/pts',
  'dev/shm',
  'dev/mqueue',
  'dev',
  'sys/fs/cgroup',
  'sys/fs',
  'sys',
  'proc',
];
