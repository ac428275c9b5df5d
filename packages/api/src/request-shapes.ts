// The shapes of the request bodies that the daemon reads; the types beside them are in container.ts, exec.ts, volume.ts, network.ts.
import type { Shape } from './shape.ts';

const strings: Shape = { list: 'string' };
const stringMap: Shape = { map: 'string' };
const throttles: Shape = { list: { fields: { Path: 'string', Rate: 'integer' } } };

const RESOURCES = {
  CpuShares: 'integer',
  Memory: 'integer',
  NanoCpus: 'integer',
  CgroupParent: 'string',
  BlkioWeight: 'integer',
  BlkioWeightDevice: { list: { fields: { Path: 'string', Weight: 'integer' } } },
  BlkioDeviceReadBps: throttles,
  BlkioDeviceWriteBps: throttles,
  BlkioDeviceReadIOps: throttles,
  BlkioDeviceWriteIOps: throttles,
  CpuPeriod: 'integer',
  CpuQuota: 'integer',
  CpuRealtimePeriod: 'integer',
  CpuRealtimeRuntime: 'integer',
  CpusetCpus: 'string',
  CpusetMems: 'string',
  Devices: { list: { fields: { PathOnHost: 'string', PathInContainer: 'string', CgroupPermissions: 'string' } } },
  DeviceCgroupRules: strings,
  DeviceRequests: {
    list: { fields: { Driver: 'string', Count: 'integer', DeviceIDs: strings, Capabilities: { list: strings }, Options: stringMap } },
  },
  KernelMemory: 'integer',
  MemoryReservation: 'integer',
  MemorySwap: 'integer',
  MemorySwappiness: 'integer',
  OomKillDisable: 'boolean',
  PidsLimit: 'integer',
  Ulimits: { list: { fields: { Name: 'string', Soft: 'integer', Hard: 'integer' } } },
} satisfies Record<string, Shape>;

const mount: Shape = {
  fields: {
    Type: 'string',
    Source: 'string',
    Target: 'string',
    ReadOnly: 'boolean',
    BindOptions: {
      fields: {
        Propagation: 'string',
        NonRecursive: 'boolean',
        CreateMountpoint: 'boolean',
        ReadOnlyNonRecursive: 'boolean',
        ReadOnlyForceRecursive: 'boolean',
      },
    },
    ImageOptions: { fields: { Subpath: 'string' } },
    VolumeOptions: {
      fields: { NoCopy: 'boolean', Labels: stringMap, DriverConfig: { fields: { Name: 'string', Options: stringMap } }, Subpath: 'string' },
    },
    TmpfsOptions: { fields: { SizeBytes: 'integer', Mode: 'integer', Options: { list: strings } } },
  },
};

const restartPolicy: Shape = { fields: { Name: 'string', MaximumRetryCount: 'integer' } };

const HOST_CONFIG: Shape = {
  fields: {
    ...RESOURCES,
    Binds: strings,
    LogConfig: { fields: { Type: 'string', Config: stringMap } },
    NetworkMode: 'string',
    PortBindings: { map: { list: { fields: { HostIp: 'string', HostPort: 'string' } } } },
    RestartPolicy: restartPolicy,
    AutoRemove: 'boolean',
    VolumeDriver: 'string',
    VolumesFrom: strings,
    Mounts: { list: mount },
    ConsoleSize: { tuple: ['integer', 'integer'] },
    Annotations: stringMap,
    CapAdd: { list: 'string', lone: true },
    CapDrop: { list: 'string', lone: true },
    CgroupnsMode: 'string',
    Dns: strings,
    DnsOptions: strings,
    DnsSearch: strings,
    ExtraHosts: strings,
    GroupAdd: strings,
    IpcMode: 'string',
    Links: strings,
    OomScoreAdj: 'integer',
    PidMode: 'string',
    Privileged: 'boolean',
    PublishAllPorts: 'boolean',
    ReadonlyRootfs: 'boolean',
    SecurityOpt: strings,
    StorageOpt: stringMap,
    Tmpfs: stringMap,
    UTSMode: 'string',
    UsernsMode: 'string',
    ShmSize: 'integer',
    Sysctls: stringMap,
    Runtime: 'string',
    MaskedPaths: strings,
    ReadonlyPaths: strings,
    Init: 'boolean',
  },
};

const endpoint: Shape = {
  fields: {
    IPAMConfig: { fields: { IPv4Address: 'string', IPv6Address: 'string', LinkLocalIPs: strings } },
    Links: strings,
    Aliases: strings,
    MacAddress: 'string',
    DriverOpts: stringMap,
  },
};

export const CONTAINER_CREATE: Shape = {
  fields: {
    Hostname: 'string',
    Domainname: 'string',
    User: 'string',
    AttachStdin: 'boolean',
    AttachStdout: 'boolean',
    AttachStderr: 'boolean',
    ExposedPorts: { map: 'any' },
    Tty: 'boolean',
    OpenStdin: 'boolean',
    StdinOnce: 'boolean',
    Env: strings,
    Cmd: { list: 'string', lone: true },
    Healthcheck: {
      fields: {
        Test: strings,
        Interval: 'integer',
        Timeout: 'integer',
        StartPeriod: 'integer',
        StartInterval: 'integer',
        Retries: 'integer',
      },
    },
    Image: 'string',
    Volumes: { map: 'any' },
    WorkingDir: 'string',
    Entrypoint: { list: 'string', lone: true },
    NetworkDisabled: 'boolean',
    MacAddress: 'string',
    OnBuild: strings,
    Labels: stringMap,
    StopSignal: 'string',
    StopTimeout: 'integer',
    Shell: strings,
    HostConfig: HOST_CONFIG,
    NetworkingConfig: { fields: { EndpointsConfig: { map: endpoint } } },
  },
};

export const CONTAINER_UPDATE: Shape = { fields: { ...RESOURCES, RestartPolicy: restartPolicy } };

export const EXEC_CREATE: Shape = {
  fields: {
    User: 'string',
    Privileged: 'boolean',
    Tty: 'boolean',
    ConsoleSize: { tuple: ['integer', 'integer'] },
    AttachStdin: 'boolean',
    AttachStdout: 'boolean',
    AttachStderr: 'boolean',
    DetachKeys: 'string',
    Env: strings,
    WorkingDir: 'string',
    Cmd: { list: 'string', lone: true },
  },
};

export const EXEC_START: Shape = { fields: { Detach: 'boolean', Tty: 'boolean', ConsoleSize: { tuple: ['integer', 'integer'] } } };

export const VOLUME_CREATE: Shape = { fields: { Name: 'string', Driver: 'string', DriverOpts: stringMap, Labels: stringMap } };

export const NETWORK_CREATE: Shape = {
  fields: {
    Name: 'string',
    Driver: 'string',
    Internal: 'boolean',
    Attachable: 'boolean',
    EnableIPv4: 'boolean',
    EnableIPv6: 'boolean',
    Options: stringMap,
    Labels: stringMap,
    IPAM: {
      fields: {
        Driver: 'string',
        Options: stringMap,
        Config: { list: { fields: { Subnet: 'string', IPRange: 'string', Gateway: 'string', AuxiliaryAddresses: stringMap } } },
      },
    },
  },
};

export const NETWORK_CONNECT: Shape = { fields: { Container: 'string', EndpointConfig: endpoint } };
export const NETWORK_DISCONNECT: Shape = { fields: { Container: 'string', Force: 'boolean' } };
