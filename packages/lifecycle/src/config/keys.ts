// Every key of containerd's config.toml that this service takes, with its place, kind and default. What is read, what `config default`
// prints and what counts as unknown all come from this one table.
import { DEFAULT_PACE } from '../gc/schedule.ts';
import { duration, flag, type Kind, list, map, oneOf, share, text, whole } from './kinds.ts';

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'panic'] as const;

export type KeyPath = readonly string[];

export interface ConfigKey<T> {
  path: KeyPath;
  kind: Kind<T>;
  fallback: T;
  /** Where other versions of the file, or other programs that read it, have the same setting. */
  also: readonly KeyPath[];
}

function key<T>(path: KeyPath, kind: Kind<T>, fallback: NoInfer<T>, ...also: KeyPath[]): ConfigKey<T> {
  return { path, kind, fallback, also };
}

const scheduler = (name: string): KeyPath => ['plugins', 'io.containerd.gc.v1.scheduler', name];
const overlayfs = (name: string): KeyPath => ['plugins', 'io.containerd.snapshotter.v1.overlayfs', name];
const own = (name: string): KeyPath => ['plugins', 'io.containerd.berth.v1.lifecycle', name];

const CONFIG_KEYS = {
  /** What lasts: metadata, content, snapshots. */
  root: key(['root'], text, '/var/lib/berth/lifecycle'),
  /** What ends with the machine: bundles, sockets of shims. */
  state: key(['state'], text, '/run/berth/lifecycle'),
  /** Directory for temporary files; '' is the system's. */
  temp: key(['temp'], text, ''),
  /** Of this process (proc(5), oom_score_adj); 0 leaves it. */
  oomScore: key(['oom_score'], whole, 0),
  /** Plugins as `<type>.<id>` without which the service does not start. */
  requiredPlugins: key(['required_plugins'], list, []),
  /** Plugins that are left out. */
  disabledPlugins: key(['disabled_plugins'], list, []),
  /** The gRPC socket's path; '' is lifecycle.sock in the state directory. */
  address: key(['grpc', 'address'], text, ''),
  socketUid: key(['grpc', 'uid'], whole, 0),
  socketGid: key(['grpc', 'gid'], whole, 0),
  /** Bytes of one gRPC message. */
  largestReceived: key(['grpc', 'max_recv_message_size'], whole, 16 << 20),
  largestSent: key(['grpc', 'max_send_message_size'], whole, 16 << 20),
  /** The socket of shims' events; '' is the gRPC socket's path with .ttrpc. */
  eventsAddress: key(['ttrpc', 'address'], text, ''),
  eventsUid: key(['ttrpc', 'uid'], whole, 0),
  eventsGid: key(['ttrpc', 'gid'], whole, 0),
  logLevel: key(['debug', 'level'], oneOf(...LOG_LEVELS), 'info'),
  /** Of the time, what garbage collection may take at most. */
  pauseThreshold: key(scheduler('pause_threshold'), share, DEFAULT_PACE.pauseThreshold),
  /** Deletions after which garbage is collected; 0: after the first. */
  deletionThreshold: key(scheduler('deletion_threshold'), whole, DEFAULT_PACE.deletionThreshold),
  /** Other changes after which it is; 0: never because of them. */
  mutationThreshold: key(scheduler('mutation_threshold'), whole, DEFAULT_PACE.mutationThreshold),
  scheduleDelay: key(scheduler('schedule_delay'), duration, DEFAULT_PACE.scheduleDelay),
  startupDelay: key(scheduler('startup_delay'), duration, 500),
  /** Whether a blob that another namespace has is to be had for its digest alone, or by sending its bytes once more. */
  contentSharing: key(['plugins', 'io.containerd.metadata.v1.bolt', 'content_sharing_policy'], oneOf('shared', 'isolated'), 'shared'),
  overlayRoot: key(overlayfs('root_path'), text, ''),
  /** Options of every overlay mount, after Berth's own. */
  overlayOptions: key(overlayfs('mount_options'), list, []),
  nativeRoot: key(['plugins', 'io.containerd.snapshotter.v1.native', 'root_path'], text, ''),
  restartInterval: key(['plugins', 'io.containerd.internal.v1.restart', 'interval'], duration, 10_000),
  /** Directories with hosts.toml files, separated by colons: for transfers whose client names none. */
  hostDirectories: key(
    ['plugins', 'io.containerd.transfer.v1.local', 'config_path'],
    text,
    '',
    ['plugins', 'io.containerd.cri.v1.images', 'registry', 'config_path'],
    ['plugins', 'io.containerd.grpc.v1.cri', 'registry', 'config_path'],
  ),
  downloads: key(['plugins', 'io.containerd.transfer.v1.local', 'max_concurrent_downloads'], whole, 5),
  uploads: key(['plugins', 'io.containerd.transfer.v1.local', 'max_concurrent_uploaded_layers'], whole, 5),
  /** Starts shims as programs of their own, without the zygote. */
  plainShims: key(own('plain_shims'), flag, false),
  /** Which runtime is started when another is asked for. */
  runtimeAliases: key(own('runtime_aliases'), map, {}),
};

type Keys = typeof CONFIG_KEYS;

export type Config = { [Name in keyof Keys]: Keys[Name] extends ConfigKey<infer T> ? T : never };

/** Not settings: what the file says of itself. */
export const FILE_KEYS: readonly KeyPath[] = [['version'], ['imports']];

export function configKeys(): [name: keyof Config, key: ConfigKey<unknown>][] {
  return Object.entries(CONFIG_KEYS) as [keyof Config, ConfigKey<unknown>][];
}
