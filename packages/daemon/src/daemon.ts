// berthd's composition: every object is made here, once, in the order of what it needs, and taken down in the reverse.
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { EngineError } from '@berth/errdefs/engine-error';
import { UnpackPool } from '@berth/lifecycle/diff/unpack-pool';
import type { NetworkRecord } from '@berth/network/driver';
import { TraceDirectory, Tracer } from '@berth/trace/tracer';
import type { Router } from 'express';
import type { Logger } from 'pino';
import { Builds } from './builds/build-image.ts';
import type { Config } from './config/config.ts';
import type { ContainerRecord } from './containers/container.ts';
import { ContainerStore } from './containers/container-store.ts';
import type { ContainerContext } from './containers/context.ts';
import { sweepRunMounts } from './containers/mounts/run-mounts.ts';
import { closeNames, recoverNames } from './containers/networking/name-service.ts';
import { startWithDaemon } from './containers/restart-policy.ts';
import { AccountCache } from './containers/rootfs.ts';
import { sweepLeftovers } from './containers/sweep.ts';
import { TaskEvents } from './containers/task/task-events.ts';
import { leaveTaskIo, recoverTaskIo } from './containers/task/task-io.ts';
import { Events } from './events/events.ts';
import { Execs } from './exec/execs.ts';
import { HealthChecks } from './health/health-checks.ts';
import { followImages, imageContext } from './images/image-context.ts';
import { Lifecycle } from './lifecycle/lifecycle.ts';
import type { LifecycleProcess } from './lifecycle/lifecycle-process.ts';
import { ShimConnections } from './lifecycle/shim-connections.ts';
import { NetworkVerbs } from './networks/network-verbs.ts';
import { openNetworks } from './networks/open-networks.ts';
import { archiveRoutes } from './routes/archive.ts';
import { buildRoutes } from './routes/build.ts';
import { checkpointRoutes } from './routes/checkpoints.ts';
import { commitRoutes } from './routes/commit.ts';
import { containerRoutes } from './routes/containers.ts';
import { execRoutes } from './routes/exec.ts';
import { imageRoutes } from './routes/images.ts';
import { networkRoutes } from './routes/networks.ts';
import { swarmRoutes } from './routes/swarm.ts';
import { systemRoutes } from './routes/system.ts';
import { traceRoutes } from './routes/trace.ts';
import { volumeRoutes } from './routes/volumes.ts';
import { Background } from './state/background.ts';
import { StateDatabase } from './state/database.ts';
import { chooseStorage } from './storage/choose-storage.ts';
import { canLimit } from './storage/rootfs-size.ts';
import { imageFacts } from './system/image-facts.ts';
import { SystemInfo } from './system/system-info.ts';
import { collectorFrom, TraceExporter } from './system/trace-exporter.ts';
import { TraceFiles } from './system/trace-files.ts';
import { VolumeContents } from './volumes/volume-contents.ts';
import { VolumePlugins } from './volumes/volume-plugins.ts';
import { type VolumeRecord, Volumes } from './volumes/volumes.ts';

export interface Daemon {
  readonly routers: readonly Router[];
  readonly tracer: Tracer;
  /** Containers run on; everything that the daemon holds is given back. */
  stop(): Promise<void>;
}

/** `service` is started, and may still be loading itself; undefined where `containerd` names another's. */
export async function startDaemon(asked: Config, service: LifecycleProcess | undefined, log: Logger): Promise<Daemon> {
  const { dataRoot } = asked;
  // Somebody else's service keeps its snapshots where it likes.
  const storage = chooseStorage(dataRoot, asked.containerd === undefined ? asked.snapshotter || undefined : 'native', log);
  const snapshotter = asked.containerd === undefined ? storage.snapshotter : asked.snapshotter || 'overlayfs';
  const config: Config = { ...asked, snapshotter };
  if (config.rootfsSize !== undefined && !canLimit(config)) {
    const message = `Storage Option overlay2.size only supported for backingFS XFS with pquota. Found ${storage.backing}`;
    throw new EngineError('FailedPrecondition', message, { layer: 'daemon' });
  }
  const stack = new AsyncDisposableStack();
  try {
    stack.defer(() => service?.stop());
    const database = stack.use(new StateDatabase(join(config.dataRoot, 'berth.db')));
    const traceDirectory = new TraceDirectory(config.traceDir);
    const collector = collectorFrom(process.env);
    if (collector) stack.use(new TraceExporter(config.traceDir, collector, log));
    const traces = stack.use(new TraceFiles(traceDirectory));
    const tracer = new Tracer('daemon', traceDirectory);
    const lifecycle = new Lifecycle(config.containerd ?? (service as LifecycleProcess).address, config);
    stack.defer(() => lifecycle.connection.close());

    const shims = stack.use(new ShimConnections(service?.state, config.namespace));

    const events = new Events();
    const store = new ContainerStore(database.collection<ContainerRecord>('container'));
    const usersOf = (name: string) =>
      store
        .all()
        .filter((container) => container.record.mounts.some((mount) => mount.Name === name))
        .map((container) => container.id);
    const volumes = new Volumes({
      root: join(config.dataRoot, 'volumes'),
      records: database.collection<VolumeRecord>('volume'),
      plugins: new VolumePlugins(join(config.execRoot, 'plugins')),
      events,
      usersOf,
    });
    const threads = stack.use(new UnpackPool());
    const images = imageContext({ lifecycle, config, threads, users: store, events });
    const networkRecords = database.collection<NetworkRecord>('network');
    const held = store.all().flatMap((container) => (container.running ? container.record.endpoints : []));
    const networks = stack.use(openNetworks(config.network, networkRecords, held));
    const background = new Background();
    const context: ContainerContext = {
      config,
      store,
      images: images.catalog,
      lifecycle,
      shims,
      networks,
      volumes,
      events,
      accounts: new AccountCache(),
      threads,
      background,
      tracer,
      log,
    };

    await lifecycle.connection.ready(15_000);
    await lifecycle.identify();
    recoverTaskIo(context);
    stack.defer(() => leaveTaskIo(context));
    await images.services.reclaim();
    images.spool.clear();
    await images.catalog.refresh();
    const taskEvents = new TaskEvents(context);
    await taskEvents.start();
    await sweepRunMounts(context);
    stack.defer(() => taskEvents.stop());
    recoverNames(context);
    stack.defer(() => store.all().forEach(closeNames));
    const following = new AbortController();
    stack.defer(() => following.abort());
    keepFollowing(() => followImages(images, lifecycle, config.namespace, following.signal), following.signal);
    background.track(sweepLeftovers(context).catch((error) => log.warn({ err: error }, 'the sweep of leftovers failed')));
    const execs = new Execs(context);
    stack.use(new HealthChecks(context, execs));
    startWithDaemon(context);

    const builds = new Builds(context, images);
    const system = new SystemInfo(context, imageFacts(images, builds), daemonId(database), storage);
    return {
      tracer,
      routers: [
        systemRoutes(system),
        traceRoutes(store, traces),
        containerRoutes(context),
        checkpointRoutes(context),
        archiveRoutes(context),
        execRoutes(context, execs),
        imageRoutes(images),
        buildRoutes(builds),
        commitRoutes(context, images),
        networkRoutes(new NetworkVerbs(context, networkRecords), store),
        volumeRoutes(volumes, new VolumeContents(volumes, context.threads)),
        swarmRoutes(),
      ],
      async stop() {
        for (const container of store.all()) container.restartTimer?.abort();
        await background.idle();
        // Bridges and rules are for containers; where none runs on, the host gets its network back as it was.
        if (!store.all().some((container) => container.running)) networks.removeAll();
        await stack.disposeAsync();
      },
    };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

/** The stream ends with the service; it is taken up again when the service is back. */
function keepFollowing(follow: () => Promise<void>, signal: AbortSignal): void {
  void follow()
    .catch(() => {})
    .then(() => {
      if (!signal.aborted) setTimeout(() => keepFollowing(follow, signal), 500).unref();
    });
}

function daemonId(database: StateDatabase): string {
  const settings = database.collection<{ id: string }>('setting');
  const [stored] = settings.all();
  if (stored) return stored.id;
  const id = randomUUID();
  settings.put('daemon', { id });
  return id;
}
