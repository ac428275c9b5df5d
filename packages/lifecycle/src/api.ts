// The services that berth-lifecycle answers, each bound to the stores that it is the face of. service.ts serves them, over gRPC and ttrpc.
import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isKind } from '@berth/errdefs/engine-error';
import { type Container, Containers } from '@berth/rpc/gen/containerd/services/containers/v1/containers';
import { Content } from '@berth/rpc/gen/containerd/services/content/v1/content';
import { Diff } from '@berth/rpc/gen/containerd/services/diff/v1/diff';
import { Events } from '@berth/rpc/gen/containerd/services/events/v1/events';
import { Images } from '@berth/rpc/gen/containerd/services/images/v1/images';
import { Introspection } from '@berth/rpc/gen/containerd/services/introspection/v1/introspection';
import { Leases } from '@berth/rpc/gen/containerd/services/leases/v1/leases';
import { Namespaces } from '@berth/rpc/gen/containerd/services/namespaces/v1/namespace';
import { Controller as SandboxControl, Store as SandboxRecords } from '@berth/rpc/gen/containerd/services/sandbox/v1/sandbox';
import { Snapshots } from '@berth/rpc/gen/containerd/services/snapshots/v1/snapshots';
import { Streaming } from '@berth/rpc/gen/containerd/services/streaming/v1/streaming';
import { Tasks } from '@berth/rpc/gen/containerd/services/tasks/v1/tasks';
import { Transfer } from '@berth/rpc/gen/containerd/services/transfer/v1/transfer';
import { Version } from '@berth/rpc/gen/containerd/services/version/v1/version';
import type { RuntimeRequest } from '@berth/rpc/gen/containerd/types/introspection';
import type { Mount } from '@berth/rpc/gen/containerd/types/mount';
import { Health } from '@berth/rpc/gen/grpc/health/v1';
import { loopback } from '@berth/rpc/loopback';
import type { Implementation } from '@berth/rpc/ttrpc/server';
import type { ServiceType } from '@berth/rpc/wire/message';
import type { Tracer } from '@berth/trace/tracer';
import type { Logger } from 'pino';
import type { Config } from './config/keys.ts';
import type { ContainerStore } from './containers/container-store.ts';
import type { EventExchange } from './events/exchange.ts';
import type { CollectionSchedule } from './gc/schedule.ts';
import { GRPC, grpcId, INTERNAL, plugins } from './introspection/plugin.ts';
import type { PluginChoice } from './introspection/plugin-choice.ts';
import type { LeaseStore } from './leases/lease-store.ts';
import type { Labels } from './metadata/labels.ts';
import type { Scope } from './metadata/scope.ts';
import type { NamespaceStore } from './namespaces/namespace-store.ts';
import { RestartMonitor } from './restart/monitor.ts';
import type { SandboxController } from './sandboxes/sandbox-controller.ts';
import type { SandboxStore } from './sandboxes/sandbox-store.ts';
import { containersService } from './services/containers.ts';
import { contentService } from './services/content.ts';
import { diffService } from './services/diff.ts';
import { eventsService } from './services/events.ts';
import { imagesService } from './services/images.ts';
import { introspectionService } from './services/introspection.ts';
import { leasesService } from './services/leases.ts';
import { namespacesService } from './services/namespaces.ts';
import { sandboxControllerService, sandboxStoreService } from './services/sandboxes.ts';
import { snapshotsService } from './services/snapshots.ts';
import { streamingService } from './services/streaming.ts';
import { tasksService } from './services/tasks.ts';
import { transferService } from './services/transfer.ts';
import { healthService, versionService } from './services/version.ts';
import { idMappingOf } from './snapshots/id-mapping.ts';
import type { Snapshotter } from './snapshots/snapshotter.ts';
import type { Storage } from './storage.ts';
import { Checkpoints } from './tasks/checkpoints.ts';
import { RuntimeAliases } from './tasks/runtime-aliases.ts';
import { BERTH_RUNTIME, type ShimsByRuntime } from './tasks/shims.ts';
import type { TaskStore } from './tasks/task-store.ts';
import { Downloads } from './transfer/download.ts';
import { Streams } from './transfer/streams.ts';
import { REVISION, VERSION } from './version.ts';

/** What the services stand on. */
export interface Core {
  config: Config;
  choice: PluginChoice;
  events: EventExchange;
  leases: LeaseStore;
  containers: ContainerStore;
  namespaces: NamespaceStore;
  storage: Storage;
  garbage: CollectionSchedule;
  tasks: TaskStore;
  sandboxes: SandboxStore;
  controller: SandboxController;
  shims: ShimsByRuntime;
  tracer: Tracer;
}

// biome-ignore lint/suspicious/noExplicitAny: each pair is checked where it is made
export type ServedService = readonly [ServiceType, Implementation<any>];

export interface Api {
  services: readonly ServedService[];
  /** To be started when the services are served. Undefined when it is disabled. */
  restarts: RestartMonitor | undefined;
}

export function lifecycleApi(core: Core, { log }: { log: Logger }): Api {
  const { config, choice, events, leases, containers, namespaces, storage, garbage, tasks, sandboxes, controller, shims, tracer } = core;
  const streams = new Streams();
  const contentIn = (scope: Scope) => storage.content.in(scope);
  const collect = () => garbage.now();
  const aliases = new RuntimeAliases(config.runtimeAliases);
  const containersFace = containersService({ store: containers, namespaces, tasks, events });
  const checkpoints = new Checkpoints({ root: config.root, differ: storage.differ });
  checkpoints.clean((namespace, id) => tasks.find(namespace, id) !== undefined);
  const tasksFace = tasksService({
    store: tasks,
    containers,
    aliases,
    checkpoints,
    contentIn,
    tracer,
    shimOf: (namespace, sandbox) => controller.get(namespace, sandbox).shim,
    rootfsOf: (namespace, container, given) => rootfsOf(storage, namespace, container, given),
  });
  const transfer = { streams, downloads: new Downloads(), storage, leases, tracer, collect, config };

  const sandboxFaces = { store: sandboxes, controller, namespaces, events };
  const services = [
    serving(Namespaces, namespacesService(namespaces, events)),
    serving(Containers, containersFace),
    serving(Leases, leasesService({ store: leases, namespaces, collect, deleted: () => garbage.deleted() })),
    serving(Events, eventsService(events)),
    serving(Tasks, tasksFace),
    serving(Content, contentService(contentIn)),
    serving(Images, imagesService({ imagesIn: (scope) => storage.images.in(scope), collect })),
    serving(Snapshots, snapshotsService({ find: (scope, name) => storage.snapshotter(scope, name), tracer })),
    serving(Diff, diffService({ contentIn, differ: storage.differ, tracer })),
    serving(SandboxRecords, sandboxStoreService(sandboxFaces)),
    serving(SandboxControl, sandboxControllerService(sandboxFaces)),
    serving(Streaming, streamingService(streams)),
    serving(Transfer, transferService(transfer)),
    serving(Version, versionService(VERSION, REVISION)),
  ].filter(([{ name }]) => choice.enabled(GRPC, grpcId(name)));
  const names = [...services.map(([{ name }]) => name), Introspection.name, Health.name];
  const restarts = choice.enabled(INTERNAL, 'restart')
    ? new RestartMonitor({
        namespaces,
        containers: loopback(Containers, containersFace),
        tasks: loopback(Tasks, tasksFace),
        interval: config.restartInterval,
        log,
      })
    : undefined;
  const introspected = plugins({
    root: config.root,
    snapshotters: storage.snapshotters,
    services: names,
    restarts: restarts !== undefined,
  });
  choice.check(introspected);
  const runtimeInfo = ({ runtimePath, options }: RuntimeRequest) => {
    const runtime = aliases.resolve({ name: runtimePath, options });
    return shims.of(runtime.name || BERTH_RUNTIME).info(runtime.options);
  };
  return {
    services: [
      ...services,
      serving(Introspection, introspectionService({ uuid: serverUuid(config.root), plugins: introspected, runtimeInfo })),
      serving(Health, healthService(new Set(names))),
    ],
    restarts,
  };
}

/** What a task's root file system is mounted of. */
async function rootfsOf(storage: Storage, namespace: string, { snapshotter, snapshotKey }: Container, given: Mount[]): Promise<Mount[]> {
  if (snapshotKey === '' || !storage.snapshotters.has(snapshotter)) return given;
  const snapshots = storage.snapshotter({ namespace }, snapshotter);
  const labels = given.length === 0 ? snapshots.stat(snapshotKey).labels : labelsOf(snapshots, snapshotKey);
  const mounts =
    given.length > 0 ? given : (await snapshots.mounts(snapshotKey)).map((mount) => ({ ...mount, target: mount.target ?? '' }));
  const remap = idMappingOf(labels)?.options ?? [];
  return remap.length === 0 ? mounts : mounts.map((mount) => ({ ...mount, options: [...mount.options, ...remap] }));
}

/** A client that brings its own mounts need not have the snapshot that the container names. */
function labelsOf(snapshots: Snapshotter, key: string): Labels {
  try {
    return snapshots.stat(key).labels;
  } catch (error) {
    if (isKind(error, 'NotFound')) return {};
    throw error;
  }
}

function serving<S extends ServiceType>(service: S, implementation: Implementation<S>): ServedService {
  return [service, implementation];
}

/** Made once for a root directory. */
function serverUuid(root: string): string {
  const directory = join(root, 'io.containerd.grpc.v1.introspection');
  const path = join(directory, 'uuid');
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    const uuid = randomUUID();
    mkdirSync(directory, { recursive: true, mode: 0o711 });
    writeFileSync(path, uuid);
    return uuid;
  }
}
