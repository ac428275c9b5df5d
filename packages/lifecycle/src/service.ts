// The lifecycle service put together: stores over one database, their gRPC faces, and the shims' side over ttrpc. What is started
// here is stopped here; containers run on.
import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Events as ShimEvents } from '@berth/rpc/gen/containerd/services/ttrpc/events/v1/events';
import { GrpcServer } from '@berth/rpc/grpc/server';
import { TtrpcServer } from '@berth/rpc/ttrpc/server';
import { Zygote } from '@berth/shim/zygote/client';
import { discard, TraceDirectory, Tracer } from '@berth/trace/tracer';
import type { Logger } from 'pino';
import { type Core, lifecycleApi } from './api.ts';
import { ContainerStore } from './containers/container-store.ts';
import { EventExchange } from './events/exchange.ts';
import type { Settings } from './flags.ts';
import { CollectionSchedule } from './gc/schedule.ts';
import { SNAPSHOTTER } from './introspection/plugin.ts';
import { PluginChoice } from './introspection/plugin-choice.ts';
import { LeaseStore } from './leases/lease-store.ts';
import { openDatabase } from './metadata/database.ts';
import { namespaceContents } from './namespaces/namespace-contents.ts';
import { NamespaceStore } from './namespaces/namespace-store.ts';
import { SandboxController } from './sandboxes/sandbox-controller.ts';
import { SandboxStore } from './sandboxes/sandbox-store.ts';
import { shimEventsService } from './services/events.ts';
import { claimSocket, protectSocket } from './socket.ts';
import { Storage } from './storage.ts';
import { BerthShims } from './tasks/berth-shims.ts';
import { Bundles } from './tasks/bundle.ts';
import { ProgramShims } from './tasks/program-shims.ts';
import { ShimsByRuntime } from './tasks/shims.ts';
import { TaskStore } from './tasks/task-store.ts';

/** Serves until `stop` is called. Fails, with nothing left behind, when a socket or the database is in use. */
export async function startService(settings: Settings, log: Logger): Promise<{ stop(): Promise<void> }> {
  const { eventsAddress } = settings;
  const choice = new PluginChoice(settings);
  await using undo = new AsyncDisposableStack();
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
  const sandboxes = new SandboxStore(database);
  const namespaces = new NamespaceStore(database, namespaceContents(database));
  const storage = undo.use(
    new Storage({
      root: settings.root,
      database,
      leases,
      publish(namespace, topic, event) {
        events.publish(namespace, topic, event);
        if (topic === '/images/delete') garbage.deleted();
        // What the collector itself removes is told as well, and is no reason to collect again.
        else if (!/\/(delete|remove)$/.test(topic)) garbage.changed();
      },
      ensureNamespace: (namespace) => namespaces.ensure(namespace),
      config: { ...settings, hasSnapshotter: (name) => choice.enabled(SNAPSHOTTER, name) },
    }),
  );
  const garbage = undo.use(
    new CollectionSchedule(
      () => storage.collect(),
      (error) => log.error({ err: error }, 'garbage was not collected'),
      settings,
    ),
  );
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
  const controller = new SandboxController({
    bundles: new Bundles(settings.state, 'io.containerd.sandbox.controller.v1.shim'),
    shims,
    events,
    log,
  });
  undo.defer(() => controller.disconnect());

  // Shims that were cut off by a restart deliver the events that they kept as soon as this socket is there.
  const ttrpc = new TtrpcServer().register(ShimEvents, shimEventsService(events));
  await listenTtrpc(ttrpc, eventsAddress);
  protectSocket(eventsAddress, { uid: settings.eventsUid, gid: settings.eventsGid });
  undo.defer(() => ttrpc.close());

  const [recovered] = await Promise.all([tasks.recover(), storage.recover(), controller.recover()]);
  if (recovered.found + recovered.lost > 0) log.info(recovered, 'tasks of before the restart');

  const tracer = new Tracer('lifecycle', settings.traceDir === undefined ? discard : new TraceDirectory(settings.traceDir));
  undo.defer(() => tracer.sink.flush());
  const grpc = new GrpcServer({
    largestReceived: settings.largestReceived,
    largestSent: settings.largestSent,
    onCall: debug
      ? (path, milliseconds, error) =>
          log.debug({ path, ms: Math.round(milliseconds * 100) / 100, error: error instanceof Error ? error.message : undefined }, 'call')
      : undefined,
  });
  const core: Core = {
    config: settings,
    choice,
    events,
    leases,
    containers,
    namespaces,
    storage,
    garbage,
    tasks,
    sandboxes,
    controller,
    shims,
    tracer,
  };
  const api = lifecycleApi(core, { log });
  // Over both protocols: a client that knows Berth takes the shorter one (packages/rpc/src/grpc/shortcut.ts).
  for (const [service, implementation] of api.services) {
    grpc.register(service, implementation);
    ttrpc.register(service, implementation);
  }
  await grpc.listen(settings.address);
  undo.defer(() => grpc.close());
  protectSocket(settings.address, { uid: settings.socketUid, gid: settings.socketGid });
  garbage.soon(settings.startupDelay);
  if (api.restarts) undo.use(api.restarts).start();

  const running = undo.move();
  return { stop: () => running.disposeAsync() };
}

function listenTtrpc(server: TtrpcServer, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const listener = server.listen(path);
    listener.once('error', reject);
    listener.once('listening', resolve);
  });
}
