// The fields of config.json and what each may hold: runtime-spec 1.3 config.md and config-linux.md. Where the kernel's own range is
// narrower than that of the type, and the same on every machine, it is the kernel's.
import {
  type Capabilities,
  type Device,
  type DeviceRule,
  HOOK_KINDS,
  type Hook,
  type IdMapping,
  type IntelRdt,
  type Linux,
  type LinuxResources,
  type LinuxSeccomp,
  type Mount,
  NAMESPACE_TYPES,
  type Namespace,
  type Process,
  type Rlimit,
  type Root,
  type Scheduler,
  type SeccompSyscall,
  type Spec,
  type ThrottleDevice,
  type User,
} from '@berth/oci/runtime-spec';
import { CAPABILITY_SET_NAMES } from './capabilities.ts';
import { IO_PRIORITY_CLASSES, PERSONALITIES, SCHEDULER_FLAGS, SCHEDULER_POLICIES } from './init/scheduling.ts';
import { PROPAGATION_WORDS } from './mount-options.ts';
import { RLIMITS } from './rlimits.ts';
import { SECCOMP_ACTIONS } from './seccomp/actions.ts';
import { SECCOMP_ARCHITECTURES } from './seccomp/architectures.ts';
import { SECCOMP_FLAGS } from './seccomp/filter.ts';
import { SECCOMP_OPERATORS } from './seccomp/rules.ts';
import { closedRecord, flag, int64, list, map, number, record, text, uint16, uint32, uint64, word } from './shape.ts';

/** 4294967295 is the kernel's "no id". */
const id = number(0, 2 ** 32 - 2);
/** -1 stands for RLIM_INFINITY beside the number itself. */
const limit = number(-1, 2 ** 64);
type ConsoleSize = NonNullable<Process['consoleSize']>;
type IoPriority = NonNullable<Process['ioPriority']>;
type TimeOffsets = NonNullable<Linux['timeOffsets']>;
type Resources<K extends keyof LinuxResources> = NonNullable<LinuxResources[K]>;

export const PROCESS = record<Process>(
  {
    terminal: flag,
    // struct winsize has 16 bits for each.
    consoleSize: record<ConsoleSize>({ height: uint16, width: uint16 }, 'height', 'width'),
    user: record<User>({ uid: id, gid: id, umask: number(0, 0o777), additionalGids: list(id) }),
    args: list(text),
    env: list(text),
    cwd: text,
    capabilities: record<Capabilities>(Object.fromEntries(CAPABILITY_SET_NAMES.map((name) => [name, list(text)])) as never),
    rlimits: list(record<Rlimit>({ type: word(...Object.keys(RLIMITS)), soft: limit, hard: limit }, 'type', 'soft', 'hard')),
    noNewPrivileges: flag,
    apparmorProfile: text,
    selinuxLabel: text,
    oomScoreAdj: number(-1000, 1000),
    scheduler: record<Scheduler>(
      {
        policy: word(...SCHEDULER_POLICIES),
        nice: number(-20, 19),
        priority: number(0, 99),
        flags: list(word(...SCHEDULER_FLAGS)),
        runtime: uint64,
        deadline: uint64,
        period: uint64,
      },
      'policy',
    ),
    ioPriority: record<IoPriority>({ class: word(...IO_PRIORITY_CLASSES), priority: number(0, 7) }, 'class'),
    execCPUAffinity: record<NonNullable<Process['execCPUAffinity']>>({ initial: text, final: text }),
  },
  'cwd',
);

const ROOT = record<Root>({ path: text, readonly: flag }, 'path');

const ID_MAPPINGS = list(record<IdMapping>({ containerID: uint32, hostID: uint32, size: uint32 }, 'containerID', 'hostID', 'size'));

const MOUNT = record<Mount>(
  { destination: text, type: text, source: text, options: list(text), uidMappings: ID_MAPPINGS, gidMappings: ID_MAPPINGS },
  'destination',
);

const HOOK = record<Hook>({ path: text, args: list(text), env: list(text), timeout: number(1, 2 ** 63) }, 'path');

const DEVICE = record<Device>(
  // dev_t: 12 and 20 bits.
  { type: word('c', 'b', 'u', 'p'), path: text, major: number(0, 4095), minor: number(0, 2 ** 20 - 1), fileMode: uint32, uid: id, gid: id },
  'type',
  'path',
);

/** -1 is every one. */
const deviceNumber = number(-1, 2 ** 32 - 1);
const DEVICE_RULE = record<DeviceRule>(
  { allow: flag, type: word('a', 'b', 'c'), major: deviceNumber, minor: deviceNumber, access: text },
  'allow',
);
const THROTTLE = list(record<ThrottleDevice>({ major: int64, minor: int64, rate: uint64 }, 'major', 'minor', 'rate'));
type WeightDevice = NonNullable<Resources<'blockIO'>['weightDevice']>[number];
type HugePageLimit = Resources<'hugepageLimits'>[number];
type NetworkPriority = NonNullable<Resources<'network'>['priorities']>[number];

export const RESOURCES = record<LinuxResources>({
  devices: list(DEVICE_RULE),
  memory: record<Resources<'memory'>>({
    limit: int64,
    reservation: int64,
    swap: int64,
    kernel: int64,
    kernelTCP: int64,
    swappiness: uint64,
    disableOOMKiller: flag,
    useHierarchy: flag,
    checkBeforeUpdate: flag,
  }),
  cpu: record<Resources<'cpu'>>({
    shares: uint64,
    quota: int64,
    burst: uint64,
    period: uint64,
    realtimeRuntime: int64,
    realtimePeriod: uint64,
    cpus: text,
    mems: text,
    idle: int64,
  }),
  pids: record<Resources<'pids'>>({ limit: int64 }),
  blockIO: record<Resources<'blockIO'>>({
    weight: uint16,
    leafWeight: uint16,
    weightDevice: list(record<WeightDevice>({ major: int64, minor: int64, weight: uint16, leafWeight: uint16 }, 'major', 'minor')),
    throttleReadBpsDevice: THROTTLE,
    throttleWriteBpsDevice: THROTTLE,
    throttleReadIOPSDevice: THROTTLE,
    throttleWriteIOPSDevice: THROTTLE,
  }),
  hugepageLimits: list(record<HugePageLimit>({ pageSize: text, limit: uint64 }, 'pageSize', 'limit')),
  network: record<Resources<'network'>>({
    classID: uint32,
    priorities: list(record<NetworkPriority>({ name: text, priority: uint32 }, 'name', 'priority')),
  }),
  rdma: map(record<Resources<'rdma'>[string]>({ hcaHandles: uint32, hcaObjects: uint32 })),
  unified: map(text),
});

const ARGUMENT = record<NonNullable<SeccompSyscall['args']>[number]>(
  { index: number(0, 5), value: uint64, valueTwo: uint64, op: word(...SECCOMP_OPERATORS) },
  'index',
  'value',
  'op',
);

const SECCOMP = record<LinuxSeccomp>(
  {
    defaultAction: word(...SECCOMP_ACTIONS),
    defaultErrnoRet: uint32,
    architectures: list(word(...SECCOMP_ARCHITECTURES)),
    flags: list(word(...SECCOMP_FLAGS)),
    listenerPath: text,
    listenerMetadata: text,
    syscalls: list(
      record<SeccompSyscall>(
        { names: list(text), action: word(...SECCOMP_ACTIONS), errnoRet: uint32, args: list(ARGUMENT) },
        'names',
        'action',
      ),
    ),
  },
  'defaultAction',
);

const CLOCK = record<NonNullable<TimeOffsets['monotonic']>>({ secs: int64, nanosecs: number(0, 999_999_999) });

const LINUX = record<Linux>({
  namespaces: list(record<Namespace>({ type: word(...NAMESPACE_TYPES), path: text }, 'type')),
  uidMappings: ID_MAPPINGS,
  gidMappings: ID_MAPPINGS,
  // Every name in it is written to the kernel.
  timeOffsets: closedRecord<TimeOffsets>({ monotonic: CLOCK, boottime: CLOCK }),
  devices: list(DEVICE),
  netDevices: map(record<NonNullable<Linux['netDevices']>[string]>({ name: text })),
  cgroupsPath: text,
  resources: RESOURCES,
  intelRdt: record<IntelRdt>({ closID: text, schemata: list(text), l3CacheSchema: text, memBwSchema: text, enableMonitoring: flag }),
  memoryPolicy: record<NonNullable<Linux['memoryPolicy']>>({ mode: text, nodes: text, flags: list(text) }),
  sysctl: map(text),
  seccomp: SECCOMP,
  rootfsPropagation: word('', ...PROPAGATION_WORDS),
  maskedPaths: list(text),
  readonlyPaths: list(text),
  mountLabel: text,
  personality: record<NonNullable<Linux['personality']>>({ domain: word(...PERSONALITIES), flags: list(text) }, 'domain'),
});

export const SPEC = record<Spec>(
  {
    ociVersion: text,
    root: ROOT,
    mounts: list(MOUNT),
    process: PROCESS,
    hostname: text,
    domainname: text,
    hooks: record<NonNullable<Spec['hooks']>>(Object.fromEntries(HOOK_KINDS.map((kind) => [kind, list(HOOK)])) as never),
    annotations: map(text),
    linux: LINUX,
  },
  'ociVersion',
);
