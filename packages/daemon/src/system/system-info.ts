// What the engine says of itself and its host: `/version`, `/info`, `/system/df`.
import { readdirSync, readFileSync } from 'node:fs';
import { cpus, hostname, machine, release } from 'node:os';
import { Filters } from '@berth/api/filters';
import type { ImageSummary } from '@berth/api/image';
import {
  API_VERSION,
  type BuildCacheRecord,
  type DiskUsageResponse,
  type InfoResponse,
  MIN_API_VERSION,
  type VersionResponse,
} from '@berth/api/system';
import { EngineError } from '@berth/errdefs/engine-error';
import { reclaimable } from '../builds/cache-usage.ts';
import type { ContainerContext } from '../containers/context.ts';
import { runtimeNames } from '../containers/create.ts';
import { listContainers } from '../containers/list.ts';
import type { Events } from '../events/events.ts';
import { nowText } from '../state/clock.ts';
import type { StorageChoice } from '../storage/choose-storage.ts';
import { COMMIT, VERSION } from '../version.ts';
import { HostCgroups } from './host-cgroups.ts';
import { registryConfig } from './registry-config.ts';

/** How Berth uses overlayfs. */
const OVERLAY_STATUS: [string, string][] = [
  ['Using metacopy', 'false'],
  ['Native Overlay Diff', 'true'],
  ['userxattr', 'false'],
];
const DISK_USAGE_TYPES = ['image', 'container', 'volume', 'build-cache'];

/** What is asked of the images' side. */
export interface ImageFacts {
  count(): number;
  summaries(): Promise<ImageSummary[]>;
  /** Bytes of all layers. */
  layersSize(): Promise<number>;
  buildCache(): Promise<BuildCacheRecord[]>;
}

export class SystemInfo {
  readonly events: Events;
  readonly #context: ContainerContext;
  readonly #images: ImageFacts;
  /** Stays the same over the daemon's lives. */
  readonly #id: string;
  readonly #storage: StorageChoice;
  readonly #cgroups = new HostCgroups();

  constructor(context: ContainerContext, images: ImageFacts, id: string, storage: StorageChoice) {
    this.#storage = storage;
    this.#context = context;
    this.#images = images;
    this.#id = id;
    this.events = context.events;
  }

  async version(): Promise<VersionResponse> {
    const lifecycle = await this.#context.lifecycle.version.version({}).catch(() => undefined);
    const arch = process.arch === 'x64' ? 'amd64' : process.arch;
    const details = {
      ApiVersion: API_VERSION,
      Arch: arch,
      BuildTime: '',
      Experimental: String(this.#context.config.experimental),
      GitCommit: COMMIT,
      GoVersion: `node ${process.version}`,
      KernelVersion: release(),
      MinAPIVersion: MIN_API_VERSION,
      Os: 'linux',
    };
    return {
      Platform: { Name: 'Berth' },
      Version: VERSION,
      ApiVersion: API_VERSION,
      MinAPIVersion: MIN_API_VERSION,
      GitCommit: COMMIT,
      GoVersion: `node ${process.version}`,
      Os: 'linux',
      Arch: arch,
      KernelVersion: release(),
      BuildTime: '',
      Components: [
        { Name: 'Engine', Version: VERSION, Details: details },
        ...(lifecycle ? [{ Name: 'lifecycle', Version: lifecycle.version, Details: { GitCommit: lifecycle.revision } }] : []),
      ],
    };
  }

  async info(): Promise<InfoResponse> {
    const { config, store, lifecycle, events } = this.#context;
    const containers = store.all();
    const running = containers.filter((container) => container.record.state.phase === 'running' || container.restarting).length;
    const paused = containers.filter((container) => container.record.state.phase === 'paused').length;
    const { version, controllers } = this.#cgroups;
    const os = osRelease();
    const service = await lifecycle.version.version({}).catch(() => undefined);
    const runtimes = runtimeNames(config).map((name) => [name, { path: config.runtimes[name] ?? 'berth-runtime' }] as const);
    return {
      ID: this.#id,
      Containers: containers.length,
      ContainersRunning: running,
      ContainersPaused: paused,
      ContainersStopped: containers.length - running - paused,
      Images: this.#images.count(),
      Driver: config.snapshotter === 'overlayfs' ? 'overlay2' : config.snapshotter,
      DriverStatus: [
        ['Backing Filesystem', this.#storage.backing],
        ['Supports d_type', String(this.#storage.tellsTypes)],
        ...(config.snapshotter === 'overlayfs' ? OVERLAY_STATUS : []),
      ],
      DockerRootDir: config.dataRoot,
      Plugins: { Volume: ['local'], Network: ['bridge', 'host', 'null'], Authorization: null, Log: ['json-file', 'local', 'none'] },
      MemoryLimit: controllers.has('memory'),
      SwapLimit: this.#cgroups.limitsSwap,
      CpuCfsPeriod: controllers.has('cpu'),
      CpuCfsQuota: controllers.has('cpu'),
      CPUShares: controllers.has('cpu'),
      CPUSet: controllers.has('cpuset'),
      PidsLimit: controllers.has('pids'),
      IPv4Forwarding: readText('/proc/sys/net/ipv4/ip_forward') === '1',
      Debug: config.debug,
      NFd: readdirSync('/proc/self/fd').length,
      OomKillDisable: version === '1' && controllers.has('memory'),
      NGoroutines: readdirSync('/proc/self/task').length,
      SystemTime: nowText(),
      LoggingDriver: config.logDriver,
      CgroupDriver: config.cgroupDriver,
      CgroupVersion: version,
      NEventsListener: events.listeners,
      KernelVersion: release(),
      OperatingSystem: os.name,
      OSVersion: os.version,
      OSType: 'linux',
      Architecture: machine(),
      IndexServerAddress: 'https://index.docker.io/v1/',
      RegistryConfig: registryConfig(config.registry),
      NCPU: cpus().length,
      MemTotal: Number(/^MemTotal:\s+(\d+)/m.exec(readText('/proc/meminfo'))?.[1] ?? 0) * 1024,
      GenericResources: null,
      HttpProxy: '',
      HttpsProxy: '',
      NoProxy: '',
      Name: hostname(),
      Labels: [...config.labels],
      ExperimentalBuild: config.experimental,
      ServerVersion: VERSION,
      Runtimes: Object.fromEntries(runtimes),
      DefaultRuntime: config.defaultRuntime,
      Swarm: { NodeID: '', NodeAddr: '', LocalNodeState: 'inactive', ControlAvailable: false, Error: '', RemoteManagers: null },
      LiveRestoreEnabled: true,
      Isolation: '',
      InitBinary: 'docker-init',
      ContainerdCommit: { ID: service?.revision ?? '' },
      RuncCommit: { ID: COMMIT },
      InitCommit: { ID: '' },
      SecurityOptions: ['name=seccomp,profile=builtin', ...(config.cgroupnsMode === 'private' ? ['name=cgroupns'] : [])],
      ...(config.network.addressPools.length > 0
        ? { DefaultAddressPools: config.network.addressPools.map(({ base, size }) => ({ Base: base, Size: size })) }
        : {}),
      Containerd: { Address: lifecycle.connection.address, Namespaces: { Containers: config.namespace, Plugins: 'plugins.moby' } },
      CDISpecDirs: [],
      Warnings: this.#warnings(),
    };
  }

  /** `types`: what is wanted of image, container, volume and build-cache; none means all. */
  async diskUsage(types: readonly string[]): Promise<DiskUsageResponse> {
    const unknown = types.find((type) => !DISK_USAGE_TYPES.includes(type));
    if (unknown !== undefined) throw new EngineError('InvalidArgument', `unknown object type: ${unknown}`, { layer: 'daemon' });
    const wants = (type: string) => types.length === 0 || types.includes(type);
    const everyContainer = { all: true, limit: undefined, size: true, filters: new Filters() };
    const [images, layersSize, containers, cache] = await Promise.all([
      wants('image') ? this.#images.summaries() : null,
      wants('image') ? this.#images.layersSize() : 0,
      wants('container') ? listContainers(this.#context, everyContainer) : null,
      wants('build-cache') ? this.#images.buildCache() : null,
    ]);
    return {
      LayersSize: layersSize,
      Images: images,
      Containers: containers,
      Volumes: wants('volume') ? this.#context.volumes.usage() : null,
      BuildCache: cache,
      BuilderSize: reclaimable(cache ?? []),
    };
  }

  #warnings(): string[] {
    const { controllers } = this.#cgroups;
    const missing = [
      ['memory', 'WARNING: No memory limit support'],
      ['cpu', 'WARNING: No cpu shares support'],
      ['cpuset', 'WARNING: No cpuset support'],
      ['pids', 'WARNING: No pids limit support'],
    ] as const;
    const { warning: storage } = this.#storage;
    return [...missing.flatMap(([controller, warning]) => (controllers.has(controller) ? [] : [warning])), ...(storage ? [storage] : [])];
  }
}

function osRelease(): { name: string; version: string } {
  const text = readText('/etc/os-release');
  const field = (key: string) => new RegExp(`^${key}="?([^"\n]*)"?$`, 'm').exec(text)?.[1] ?? '';
  return { name: field('PRETTY_NAME') || 'Linux', version: field('VERSION_ID') };
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}
