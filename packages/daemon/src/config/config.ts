// The daemon's configuration after flags, file and defaults have been put together, with names of our own and parsed values.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Ulimit } from '@berth/api/host-config';
import { EngineError } from '@berth/errdefs/engine-error';
import { mirrorOf } from '@berth/oci/registry/host';
import { parseCommandLine } from './command-line.ts';
import { mergeConfigFile } from './config-file.ts';
import type { OptionName, OptionValues } from './options.ts';
import { parseRate, parseSize } from './size.ts';

export interface TlsFiles {
  readonly ca: string | undefined;
  readonly cert: string;
  readonly key: string;
  readonly verify: boolean;
}

export interface Config {
  readonly hosts: readonly string[];
  readonly socketGroup: string | undefined;
  readonly tls: TlsFiles | undefined;
  readonly dataRoot: string;
  readonly execRoot: string;
  readonly pidfile: string;
  /** The socket of a lifecycle service that somebody else runs; undefined: berthd runs its own. */
  readonly containerd: string | undefined;
  readonly namespace: string;
  readonly traceDir: string;
  readonly logLevel: string;
  readonly logFormat: 'text' | 'json';
  readonly debug: boolean;
  /** Clients of Docker hide checkpoints from a daemon that does not say so. */
  readonly experimental: boolean;
  readonly runtimes: Readonly<Record<string, string>>;
  readonly defaultRuntime: string;
  /** Of containers' root file systems. Before the data root has been tried: the one that was asked for, or ''. */
  readonly snapshotter: string;
  /** Bytes that a container's own files may take where it does not say; undefined without a limit. */
  readonly rootfsSize: number | undefined;
  /** Of the host, or of a slice: what `cgroupDriver` understands. */
  readonly cgroupParent: string;
  readonly cgroupDriver: 'cgroupfs' | 'systemd';
  readonly cgroupnsMode: 'private' | 'host';
  readonly shmSize: number;
  readonly ulimits: readonly Ulimit[];
  readonly init: boolean;
  /** undefined: looked for in PATH. */
  readonly initPath: string | undefined;
  readonly seccompProfile: string;
  readonly logDriver: string;
  readonly logOptions: Readonly<Record<string, string>>;
  readonly dns: { readonly servers: readonly string[]; readonly search: readonly string[]; readonly options: readonly string[] };
  readonly network: {
    /** undefined: Berth's own bridge; 'none': no default bridge. */
    readonly bridge: string | undefined;
    readonly bip: string | undefined;
    readonly fixedCidr: string | undefined;
    readonly mtu: number | undefined;
    readonly iptables: boolean;
    readonly ipForward: boolean;
    readonly ipMasquerade: boolean;
    readonly userlandProxy: boolean;
    readonly addressPools: readonly { readonly base: string; readonly size: number }[];
  };
  readonly registry: {
    readonly insecure: readonly string[];
    readonly mirrors: readonly string[];
    /** Directories of certificates before those of the machine. */
    readonly certificates: readonly string[];
    /** Registries that get foreign layers. */
    readonly nondistributable: readonly string[];
    /** Of one transfer; undefined: as the lifecycle service likes. */
    readonly maxDownloads: number | undefined;
    readonly maxUploads: number | undefined;
    readonly maxAttempts: number | undefined;
    /** Bytes a second of one transfer. */
    readonly limitRate: number | undefined;
  };
  readonly labels: readonly string[];
  readonly shutdownTimeout: number;
}

const DEFAULTS = {
  host: 'unix:///run/berth/berth.sock',
  dataRoot: '/var/lib/berth',
  execRoot: '/run/berth',
  configFile: '/etc/berth/daemon.json',
  runtime: 'berth',
} as const;

/** Reads flags and file; `help`, `version` and `validate` are the caller's to act on. */
export function loadOptions(argv: readonly string[]): OptionValues {
  const flags = parseCommandLine(argv);
  const named = flags['config-file'] as string | undefined;
  return mergeConfigFile(flags, named ?? DEFAULTS.configFile, named !== undefined);
}

export function configOf(options: OptionValues): Config {
  const text = (name: OptionName) => options[name] as string | undefined;
  const flag = (name: OptionName, fallback: boolean) => (options[name] as boolean | undefined) ?? fallback;
  const list = (name: OptionName) => (options[name] as string[] | undefined) ?? [];
  const number = (name: OptionName) => options[name] as number | undefined;
  const pairs = (name: OptionName) => (options[name] as Record<string, string> | undefined) ?? {};

  const execRoot = text('exec-root') ?? DEFAULTS.execRoot;
  const hosts = list('host').map((host) => host.trim());
  const debug = flag('debug', false);
  const cgroupDriver = cgroupDriverOf(list('exec-opt'));
  return {
    hosts: hosts.length > 0 ? hosts : [DEFAULTS.host],
    socketGroup: text('group'),
    tls: tlsOf(flag('tls', false), flag('tlsverify', false), text),
    dataRoot: text('data-root') ?? DEFAULTS.dataRoot,
    execRoot,
    pidfile: text('pidfile') ?? join(execRoot, 'berthd.pid'),
    containerd: text('containerd'),
    namespace: text('containerd-namespace') ?? 'moby',
    traceDir: text('trace-dir') ?? join(execRoot, 'traces'),
    logLevel: debug ? 'debug' : (text('log-level') ?? 'info'),
    logFormat: text('log-format') === 'json' ? 'json' : 'text',
    debug,
    experimental: flag('experimental', false),
    runtimes: pairs('add-runtime'),
    // A containerd of somebody else's knows its own shim for certain; a service of Berth's takes both names for its own.
    defaultRuntime: text('default-runtime') ?? (text('containerd') === undefined ? DEFAULTS.runtime : 'runc'),
    snapshotter: snapshotterOf(text('storage-driver')),
    rootfsSize: rootfsSizeOf(list('storage-opt')),
    cgroupDriver,
    cgroupParent: text('cgroup-parent') ?? (cgroupDriver === 'systemd' ? 'system.slice' : '/docker'),
    cgroupnsMode: cgroupnsMode(text('default-cgroupns-mode')),
    shmSize: parseSize(text('default-shm-size') ?? '64m'),
    ulimits: Object.entries(pairs('default-ulimit')).map(([name, value]) => ulimitOf(name, value)),
    init: flag('init', false),
    initPath: text('init-path'),
    seccompProfile: text('seccomp-profile') ?? 'builtin',
    logDriver: text('log-driver') ?? 'json-file',
    logOptions: pairs('log-opt'),
    dns: { servers: list('dns'), search: list('dns-search'), options: list('dns-opt') },
    network: {
      bridge: text('bridge'),
      bip: text('bip'),
      fixedCidr: text('fixed-cidr'),
      mtu: number('mtu'),
      iptables: flag('iptables', true),
      ipForward: flag('ip-forward', true),
      ipMasquerade: flag('ip-masq', true),
      userlandProxy: flag('userland-proxy', true),
      addressPools: list('default-address-pool').map(poolOf),
    },
    registry: {
      insecure: list('insecure-registry'),
      mirrors: list('registry-mirror').map(checkMirror),
      certificates: list('registry-certs'),
      nondistributable: list('allow-nondistributable-artifacts'),
      maxDownloads: positive('max-concurrent-downloads', number),
      maxUploads: positive('max-concurrent-uploads', number),
      maxAttempts: positive('max-download-attempts', number),
      limitRate: rateOf(text('limit-rate')),
    },
    labels: list('label'),
    shutdownTimeout: number('shutdown-timeout') ?? 15,
  };
}

function checkMirror(text: string): string {
  mirrorOf(text);
  return text;
}

function positive(name: OptionName, number: (name: OptionName) => number | undefined): number | undefined {
  const value = number(name);
  if (value === undefined || (Number.isInteger(value) && value > 0)) return value;
  throw new EngineError('InvalidArgument', `invalid value for --${name}: ${value}: it must be a whole number above 0`, { layer: 'daemon' });
}

function rateOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : parseRate(text);
}

function tlsOf(tls: boolean, verify: boolean, text: (name: OptionName) => string | undefined): TlsFiles | undefined {
  if (!tls && !verify) return undefined;
  const home = process.env.DOCKER_CERT_PATH ?? '/root/.docker';
  return {
    ca: text('tlscacert') ?? (verify ? join(home, 'ca.pem') : undefined),
    cert: text('tlscert') ?? join(home, 'cert.pem'),
    key: text('tlskey') ?? join(home, 'key.pem'),
    verify,
  };
}

/** As dockerd: private where cgroup v2 rules, the host's where old software expects v1's paths. */
/** dockerd's only execution option. */
function cgroupDriverOf(options: readonly string[]): 'cgroupfs' | 'systemd' {
  let driver: 'cgroupfs' | 'systemd' = 'cgroupfs';
  for (const option of options) {
    const [, asked] = /^native\.cgroupdriver=(cgroupfs|systemd)$/.exec(option) ?? [];
    if (asked === undefined)
      throw new EngineError(
        'InvalidArgument',
        `invalid exec-opt ${option}: use native.cgroupdriver=cgroupfs or native.cgroupdriver=systemd`,
        {
          layer: 'daemon',
        },
      );
    driver = asked as typeof driver;
  }
  return driver;
}

function cgroupnsMode(asked: string | undefined): 'private' | 'host' {
  if (asked === 'private' || asked === 'host') return asked;
  return existsSync('/sys/fs/cgroup/cgroup.controllers') ? 'private' : 'host';
}

/** dockerd's graph driver names mean the snapshotter that does the same. */
function snapshotterOf(driver: string | undefined): string {
  if (driver === 'vfs') return 'native';
  return driver === 'overlay2' || driver === 'overlay' ? 'overlayfs' : (driver ?? '');
}

/** `size=10G` and dockerd's names for it; its switches for old kernels mean nothing here. */
function rootfsSizeOf(options: readonly string[]): number | undefined {
  let size = 0;
  for (const option of options) {
    const [key = '', value = ''] = option.split('=', 2);
    if (/^(overlay2\.|vfs\.|xfs\.)?size$/.test(key)) size = parseSize(value);
    else if (key !== 'overlay2.override_kernel_check') {
      throw new EngineError('InvalidArgument', `Unknown option ${key}: the storage drivers have size=SIZE`, { layer: 'daemon' });
    }
  }
  return size > 0 ? size : undefined;
}

function ulimitOf(name: string, value: string): Ulimit {
  const [soft, hard] = value.split(':');
  return { Name: name, Soft: Number(soft), Hard: Number(hard ?? soft) };
}

function poolOf(text: string): { base: string; size: number } {
  const fields = new Map(text.split(',').map((part) => part.split('=', 2) as [string, string]));
  return { base: fields.get('base') ?? '', size: Number(fields.get('size')) };
}
