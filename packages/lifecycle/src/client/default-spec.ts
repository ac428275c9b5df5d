// The specification of a container that nothing else was said of: what its image says, in namespaces of its own, with the rights that
// containerd's and Docker's containers have. Callers change what they want different.
import { EngineError } from '@berth/errdefs/engine-error';
import { DEFAULT_CAPABILITIES } from '@berth/oci/capability-names';
import type { ExecutionConfig } from '@berth/oci/image-spec';
import type { DeviceRule, Mount, Spec, User } from '@berth/oci/runtime-spec';

const MOUNTS: readonly Mount[] = [
  { destination: '/proc', type: 'proc', source: 'proc', options: ['nosuid', 'noexec', 'nodev'] },
  { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'] },
  {
    destination: '/dev/pts',
    type: 'devpts',
    source: 'devpts',
    options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'],
  },
  { destination: '/dev/shm', type: 'tmpfs', source: 'shm', options: ['nosuid', 'noexec', 'nodev', 'mode=1777', 'size=65536k'] },
  { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: ['nosuid', 'noexec', 'nodev'] },
  { destination: '/sys', type: 'sysfs', source: 'sysfs', options: ['nosuid', 'noexec', 'nodev', 'ro'] },
];

/** Nothing but the devices that the runtime makes for every container. */
const DEVICES: readonly DeviceRule[] = [{ allow: false, access: 'rwm' }];

export interface SpecOptions {
  /** Of the service: the cgroup is `/<namespace>/<id>`. */
  namespace: string;
  id: string;
  image: ExecutionConfig;
  /** Instead of the image's Cmd, behind its Entrypoint. */
  args?: readonly string[];
  /** `NAME=value`, over the image's. */
  env?: readonly string[];
  cwd?: string;
  /** Default: the image's, which must be numbers, because names are only known inside its file system. */
  user?: User;
  terminal?: boolean;
}

/** Throws InvalidArgument when nothing says what to run, or the image names its user by name. */
export function defaultSpec({ namespace, id, image, args, env = [], cwd, user, terminal = false }: SpecOptions): Spec {
  const command = [...(image.Entrypoint ?? []), ...(args ?? image.Cmd ?? [])];
  if (command.length === 0)
    throw new EngineError('InvalidArgument', `container "${id}": neither its image nor args say what it is to run`, { layer: 'lifecycle' });
  const capabilities = [...DEFAULT_CAPABILITIES];
  return {
    ociVersion: '1.0.2',
    process: {
      terminal,
      args: command,
      env: merged(['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', ...(image.Env ?? []), ...env]),
      cwd: cwd ?? (image.WorkingDir || '/'),
      user: user ?? numericUser(image.User ?? ''),
      capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
      noNewPrivileges: true,
    },
    root: { path: 'rootfs' },
    mounts: [...MOUNTS],
    linux: {
      cgroupsPath: `/${namespace}/${id}`,
      resources: { devices: [...DEVICES] },
      namespaces: [{ type: 'pid' }, { type: 'ipc' }, { type: 'uts' }, { type: 'mount' }, { type: 'network' }],
      maskedPaths: [
        '/proc/acpi',
        '/proc/asound',
        '/proc/kcore',
        '/proc/keys',
        '/proc/latency_stats',
        '/proc/timer_list',
        '/proc/sched_debug',
        '/sys/firmware',
        '/proc/scsi',
      ],
      readonlyPaths: ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'],
    },
  };
}

/** The last of a name counts. */
function merged(env: readonly string[]): string[] {
  return [...new Map(env.map((entry) => [entry.split('=', 1)[0], entry])).values()];
}

function numericUser(text: string): User {
  if (text === '') return { uid: 0, gid: 0 };
  const [, uid, gid = '0'] = /^(\d+)(?::(\d+))?$/.exec(text) ?? [];
  if (uid === undefined) {
    throw new EngineError('InvalidArgument', `the image's user "${text}" is a name: say its number as user`, { layer: 'lifecycle' });
  }
  return { uid: Number(uid), gid: Number(gid) };
}
