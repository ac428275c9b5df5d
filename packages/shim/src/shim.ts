// One shim, whichever way its process came to be (forked by the zygote, or started as a program): takes leave of whoever made it,
// serves the task API on its own socket, and lives until its container is deleted.
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError } from '@berth/errdefs/engine-error';
import { Sandbox } from '@berth/rpc/gen/containerd/runtime/sandbox/v1/sandbox';
import { Task as TaskV2 } from '@berth/rpc/gen/containerd/runtime/task/v2/shim';
import { Task as TaskV3 } from '@berth/rpc/gen/containerd/runtime/task/v3/shim';
import type { TtrpcServer } from '@berth/rpc/ttrpc/server';
import type { PreparedInit } from '@berth/runtime/prepared-init';
import { exitNow } from '@berth/sys/fork';
import { discard, TraceDirectory, Tracer } from '@berth/trace/tracer';
import { EventPublisher } from './events/publisher.ts';
import { leaveParent } from './process/leave-parent.ts';
import { Reaper } from './process/reaper.ts';
import { ShimLog } from './process/shim-log.ts';
import { RuntimeSelector } from './runtime/select.ts';
import { SandboxService } from './sandbox/service.ts';
import { TaskService } from './task/service.ts';
import type { ShimBootstrap, ShimParameters } from './zygote/protocol.ts';

/** sun_path without its last zero. */
const LONGEST_SOCKET_PATH = 107;
/** In the bundle. */
const BOOTSTRAP = 'bootstrap.json';
/** Milliseconds for events that are still on their way when the shim ends. */
const LAST_EVENTS = 2000;

/** Milliseconds without a task and without a client until it ends: whoever wanted it died in between, and would come back sooner. */
const DESERTED = 10_000;

export interface ShimEvents {
  /** The socket takes connections, and bootstrap.json is there. */
  ready(bootstrap: ShimBootstrap): void;
  /** That could not be had. */
  failed(error: unknown): void;
  /** The API was told to end the shim. */
  shutdown(shim: ServedShim): void;
}

/** A task service on its socket. */
export interface ServedShim {
  /** Whether it has nothing to keep: no task, no sandbox. */
  readonly idle: boolean;
  /** Stops once answers, events and attached clients have what is theirs. */
  end(): Promise<void>;
}

/** A process that is ready to be a shim, of whichever container. */
export interface PreparedShim {
  /** Set once there is a bundle to complain in. */
  log?: ShimLog;
  /** For the first container. */
  init?: PreparedInit;
}

/** What does not depend on the container: the process leaves its parent. `title` is what ps shows until becomeShim. */
export function prepareShim(title: string): PreparedShim {
  const prepared: PreparedShim = {};
  surviveMistakes(prepared);
  leaveParent(title);
  return prepared;
}

/** Makes a prepared process the shim of one container, which `server` serves besides: returns at once, the event loop does the rest. */
export function becomeShim(
  parameters: ShimParameters,
  prepared: PreparedShim,
  server: TtrpcServer,
  events: Omit<ShimEvents, 'shutdown'>,
): ServedShim {
  const log = new ShimLog(parameters.bundle, parameters.debug === true);
  prepared.log = log;
  process.title = `berth-shim ${parameters.namespace}/${parameters.id}`;
  const shutdown = async (shim: ServedShim) => {
    await shim.end();
    log.write('debug', 'shim ends');
    exitNow(0);
  };
  return serveShim(parameters, log, server, { ...events, shutdown }, prepared.init);
}

/** All of a shim that does not change the process it is in (the zygote's warm-up runs it too). */
export function serveShim(
  parameters: ShimParameters,
  log: ShimLog,
  server: TtrpcServer,
  { ready, failed, shutdown }: ShimEvents,
  prepared?: PreparedInit,
): ServedShim {
  const events = new EventPublisher({
    address: parameters.ttrpcAddress,
    namespace: parameters.namespace,
    inOrder: parameters.eventsInOrder === true,
  });
  const reaper = new Reaper();
  const tracer = new Tracer('shim', parameters.traceDir ? new TraceDirectory(parameters.traceDir) : discard);
  const service = new TaskService({
    namespace: parameters.namespace,
    reaper,
    events,
    log: (message) => log.write('error', message),
    runtimes: new RuntimeSelector(parameters.runtimeRoot, reaper, prepared),
    tracer,
    shutdown: () => shutdown(shim),
    stays: () => sandbox.stands,
  });
  const sandbox = new SandboxService({ endTasks: (timeout) => service.endTasks(timeout), shutdown: () => shutdown(shim) });
  const shim: ServedShim = {
    get idle() {
      return service.idle && !sandbox.stands;
    },
    async end() {
      server.deserted = undefined;
      // The answer to Shutdown is written before its connection is closed.
      await new Promise((resolve) => setImmediate(resolve));
      server.close();
      await events.close(LAST_EVENTS);
      await service.clientsGone();
      reaper.close();
      tracer.sink.flush();
    },
  };
  server.deserted = () => {
    const forGood = () => shim.idle && server.connections === 0 && shutdown(shim);
    setTimeout(forGood, DESERTED).unref();
  };
  server.register(TaskV3, service).register(TaskV2, service).register(Sandbox, sandbox);
  const address = socketPath(parameters);
  // What keeps everybody but root from the sockets: their own modes are the umask's.
  mkdirSync(parameters.socketDir, { recursive: true, mode: 0o700 });
  // A socket file without its shim is left by SIGKILL; ids are unique, so no living shim has this one.
  rmSync(address, { force: true });
  const listener = server.listen(address);
  listener.once('error', failed);
  // A unix socket is bound by now, or never.
  if (listener.listening) {
    const bootstrap: ShimBootstrap = { pid: process.pid, address, protocol: 'ttrpc', version: 3 };
    writeBootstrap(parameters, bootstrap);
    ready(bootstrap);
  }
  return shim;
}

/** `<socket dir>/<hash>`: short, and the same for the same container, or group of containers, each time. */
export function socketPath({ socketDir, namespace, id, group }: Pick<ShimParameters, 'socketDir' | 'namespace' | 'id' | 'group'>): string {
  const name = group === undefined ? id : `group ${group}`;
  const hash = createHash('sha256').update(`${socketDir}\n${namespace}\n${name}`).digest('hex').slice(0, 32);
  const path = join(socketDir, hash);
  if (Buffer.byteLength(path) > LONGEST_SOCKET_PATH) {
    throw new EngineError('InvalidArgument', `the shim's socket ${path} is too long a path for a socket; use a shorter state directory`, {
      layer: 'shim',
    });
  }
  return path;
}

/**
 * What containerd reads to find a shim again, with what `delete` needs to know of one that is gone. Whole or not at all, for it
 * may be read at any moment.
 */
function writeBootstrap(parameters: ShimParameters, { address, protocol, version, pid }: ShimBootstrap): void {
  const path = join(parameters.bundle, BOOTSTRAP);
  writeFileSync(`${path}.tmp`, JSON.stringify({ version, address: `unix://${address}`, protocol, pid, shim: parameters }));
  renameSync(`${path}.tmp`, path);
}

/** What the shim of a bundle was started with, and its pid; nothing where there was none, or where containerd wrote the file anew. */
export function readBootstrap(bundle: string): { shim?: ShimParameters; pid?: number } {
  try {
    return JSON.parse(readFileSync(join(bundle, BOOTSTRAP), 'utf8'));
  } catch {
    return {};
  }
}

/** A container must not die, nor be forgotten, of a mistake in here. */
function surviveMistakes(prepared: PreparedShim): void {
  process.on('uncaughtException', (error) => prepared.log?.write('error', `uncaught: ${error.stack ?? error.message}`));
  process.on('unhandledRejection', (reason) =>
    prepared.log?.write('error', `unhandled: ${reason instanceof Error ? reason.stack : String(reason)}`),
  );
  // A stopping service manager signals all of its processes; shims stay, they end with their container.
  process.on('SIGTERM', () => prepared.log?.write('info', 'SIGTERM ignored: shims end with their container'));
  process.on('SIGINT', () => {});
}
