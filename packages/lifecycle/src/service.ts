// The lifecycle service put together: stores over one database, their gRPC faces, and the shims' side over ttrpc. What is started
// here is stopped here; containers run on.
import { randomUUID } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Container, Containers } from '@berth/rpc/gen/containerd/services/containers/v1/containers';
import { Content } from '@berth/rpc/gen/containerd/services/content/v1/content';
import { Diff } from '@berth/rpc/gen/containerd/services/diff/v1/diff';
import { Events } from '@berth/rpc/gen/containerd/services/events/v1/events';
import { Images } from '@berth/rpc/gen/containerd/services/images/v1/images';
import { Introspection } from '@berth/rpc/gen/containerd/services/introspection/v1/introspection';
import { Leases } from '@berth/rpc/gen/containerd/services/leases/v1/leases';
import { Namespaces } from '@berth/rpc/gen/containerd/services/namespaces/v1/namespace';
import { Snapshots } from '@berth/rpc/gen/containerd/services/snapshots/v1/snapshots';
import { Streaming } from '@berth/rpc/gen/containerd/services/streaming/v1/streaming';
import { Tasks } from '@berth/rpc/gen/containerd/services/tasks/v1/tasks';
import { Transfer } from '@berth/rpc/gen/containerd/services/transfer/v1/transfer';
import { Events as ShimEvents } from '@berth/rpc/gen/containerd/services/ttrpc/events/v1/events';
import { Version } from '@berth/rpc/gen/containerd/services/version/v1/version';
import { Health } from '@berth/rpc/gen/grpc/health/v1';
import { GrpcServer } from '@berth/rpc/grpc/server';
import { type Implementation, TtrpcServer } from '@berth/rpc/ttrpc/server';
import type { ServiceType } from '@berth/rpc/wire/message';
import { Zygote } from '@berth/shim/zygote/client';
import { discard, TraceDirectory, Tracer } from '@berth/trace/tracer';
import type { Logger } from 'pino';
import { ContainerStore } from './containers/container-store.ts';
import { EventExchange } from './events/exchange.ts';
import type { Settings } from './flags.ts';
import { CollectionSchedule } from './gc/schedule.ts';
import { plugins } from './introspection/plugin.ts';
import { LeaseStore } from './leases/lease-store.ts';
import { openDatabase } from './metadata/database.ts';
import type { Scope } from './metadata/scope.ts';
import { namespaceContents } from './namespaces/namespace-contents.ts';
import { NamespaceStore } from './namespaces/namespace-store.ts';
import { containersService } from './services/containers.ts';
import { contentService } from './services/content.ts';
import { diffService } from './services/diff.ts';
import { eventsService, shimEventsService } from './services/events.ts';
import { imagesService } from './services/images.ts';
import { introspectionService } from './services/introspection.ts';
import { leasesService } from './services/leases.ts';
import { namespacesService } from './services/namespaces.ts';
import { snapshotsService } from './services/snapshots.ts';
import { streamingService } from './services/streaming.ts';
import { tasksService } from './services/tasks.ts';
import { transferService } from './services/transfer.ts';
import { healthService, versionService } from './services/version.ts';
import { claimSocket, protectSocket } from './socket.ts';
import { Storage } from './storage.ts';
import { BerthShims } from './tasks/berth-shims.ts';
import { Bundles } from './tasks/bundle.ts';
import { ProgramShims } from './tasks/program-shims.ts';
import { RuntimeAliases } from './tasks/runtime-aliases.ts';
import { ShimsByRuntime } from './tasks/shims.ts';
import { TaskStore } from './tasks/task-store.ts';
import { Downloads } from './transfer/download.ts';
import { Streams } from './transfer/streams.ts';
import { REVISION, VERSION } from './version.ts';

/** Serves until `stop` is called. Fails, with nothing left behind, when a socket or the database is in use. */
export async function startService(settings: Settings, log: Logger): Promise<{ stop(): Promise<void> }> {
  const aliases = new RuntimeAliases(settings.runtimeAliases);
  await using undo = new AsyncDisposableStack();
  const eventsAddress = `${settings.address}.ttrpc`;
  // Root's alone, also where it was made by somebody else: what is below may be read by whoever gets there (CVE-2024-25621).
  mkdirSync(settings.root, { recursive: true, mode: 0o700 });
  chmodSync(settings.root, 0o700);
  mkdirSync(settings.state, { recursive: true, mode: 0o711 });
  for (const path of [settings.address, eventsAddress]) {
    await claimSocket(path);
    undo.defer(() => rmSync(path, { force: true }));
  }
  const database = openDatabase(settings.root);
  undo.defer(() => {
    database.close();
  });

  // The zygote warms up while the rest of the service starts; the first task waits for it if it must.
  const zygote = Zygote.spawn({
    stateDir: settings.state,
    traceDir: settings.traceDir,
    plain: settings.plainShims,
    log: (message) => log.warn(message),
  });
  zygote.catch(() => {});
  undo.defer(async () => (await zygote).close());

  const events = new EventExchange();
  const leases = new LeaseStore(database);
  const containers = new ContainerStore(database);
  const namespaces = new NamespaceStore(database, namespaceContents(database));
  const storage = undo.use(
    new Storage({
      root: settings.root,
      database,
      leases,
      publish(namespace, topic, event) {
        events.publish(namespace, topic, event);
        if (topic === '/images/delete') garbage.soon();
      },
      ensureNamespace: (namespace) => namespaces.ensure(namespace),
    }),
  );
  const garbage = undo.use(
    new CollectionSchedule(
      () => storage.collect(),
      (error) => log.error({ err: error }, 'garbage was not collected'),
    ),
  );
  const collect = () => garbage.now();
  const debug = settings.logLevel === 'debug' || settings.logLevel === 'trace';
  const berth = new BerthShims({
    zygote,
    eventsAddress,
    runtimeRoot: join(settings.state, 'runtime'),
    socketDir: join(settings.state, 's'),
    debug,
  });
  const shims = new ShimsByRuntime(
    berth,
    (program) =>
      new ProgramShims({
        program,
        grpcAddress: settings.address,
        ttrpcAddress: eventsAddress,
        debug,
        log: ({ namespace, id }, text) => log.info({ namespace, id, shim: program }, text.trimEnd()),
      }),
  );
  const tasks = new TaskStore({ bundles: new Bundles(settings.state), shims, events, log });
  undo.defer(() => tasks.disconnect());

  // Shims that were cut off by a restart deliver the events that they kept as soon as this socket is there.
  const ttrpc = new TtrpcServer().register(ShimEvents, shimEventsService(events));
  await listenTtrpc(ttrpc, eventsAddress);
  undo.defer(() => ttrpc.close());

  const [recovered] = await Promise.all([tasks.recover(), storage.recover()]);
  if (recovered.found + recovered.lost > 0) log.info(recovered, 'tasks of before the restart');

  const tracer = new Tracer('lifecycle', settings.traceDir === undefined ? discard : new TraceDirectory(settings.traceDir));
  undo.defer(() => tracer.sink.flush());
  const streams = new Streams();
  const grpc = new GrpcServer({
    onCall: debug
      ? (path, milliseconds, error) =>
          log.debug({ path, ms: Math.round(milliseconds * 100) / 100, error: error instanceof Error ? error.message : undefined }, 'call')
      : undefined,
  });
  const services = [
    Version,
    Health,
    Namespaces,
    Containers,
    Leases,
    Events,
    Introspection,
    Tasks,
    Content,
    Images,
    Snapshots,
    Diff,
    Streaming,
    Transfer,
  ];
  const names = services.map((service) => service.name);
  /** Over both protocols: a client that knows Berth takes the shorter one (packages/rpc/src/grpc/shortcut.ts). */
  const serve = <S extends ServiceType>(service: S, implementation: Implementation<S>) => {
    grpc.register(service, implementation);
    ttrpc.register(service, implementation);
  };
  const contentIn = (scope: Scope) => storage.content.in(scope);
  const mountsOf = async (namespace: string, { snapshotter, snapshotKey }: Container) =>
    (await storage.snapshotter({ namespace }, snapshotter).mounts(snapshotKey)).map((mount) => ({ ...mount, target: mount.target ?? '' }));
  const introspected = plugins(settings.root, [...storage.snapshotters.keys()], names);
  serve(Version, versionService(VERSION, REVISION));
  serve(Health, healthService(new Set(names)));
  serve(Namespaces, namespacesService(namespaces, events));
  serve(Containers, containersService({ store: containers, namespaces, tasks, events }));
  serve(Leases, leasesService({ store: leases, namespaces, collect, collectSoon: () => garbage.soon() }));
  serve(Events, eventsService(events));
  serve(Introspection, introspectionService({ uuid: serverUuid(settings.root), plugins: introspected, version: VERSION }));
  serve(Tasks, tasksService({ store: tasks, containers, aliases, tracer, mountsOf }));
  serve(Content, contentService(contentIn));
  serve(Images, imagesService({ imagesIn: (scope) => storage.images.in(scope), collect }));
  serve(Snapshots, snapshotsService({ find: (scope, name) => storage.snapshotter(scope, name), tracer }));
  serve(Diff, diffService({ contentIn, differ: storage.differ, tracer }));
  serve(Streaming, streamingService(streams));
  serve(Transfer, transferService({ streams, downloads: new Downloads(), storage, leases, tracer, collect }));
  garbage.soon();
  await grpc.listen(settings.address);
  undo.defer(() => grpc.close());
  protectSocket(settings.address);

  const running = undo.move();
  return { stop: () => running.disposeAsync() };
}

function listenTtrpc(server: TtrpcServer, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const listener = server.listen(path);
    listener.once('error', reject);
    listener.once('listening', () => {
      protectSocket(path);
      resolve();
    });
  });
}

/** Made once for a root directory. */
function serverUuid(root: string): string {
  const directory = join(root, 'io.containerd.grpc.v1.introspection');
  const path = join(directory, 'uuid');
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    const uuid = randomUUID();
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    writeFileSync(path, uuid);
    return uuid;
  }
}
