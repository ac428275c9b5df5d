// The gRPC face of tasks, containerd.services.tasks.v1.Tasks: each call is one question to the task's shim.
import { EngineError } from '@berth/errdefs/engine-error';
import type { StateResponse } from '@berth/rpc/gen/containerd/runtime/task/v3/shim';
import type { Container } from '@berth/rpc/gen/containerd/services/containers/v1/containers';
import type { Tasks } from '@berth/rpc/gen/containerd/services/tasks/v1/tasks';
import type { Mount } from '@berth/rpc/gen/containerd/types/mount';
import { type Process, Status } from '@berth/rpc/gen/containerd/types/task/task';
import { timestampNow } from '@berth/rpc/timestamp';
import type { Call, Implementation } from '@berth/rpc/ttrpc/server';
import type { Tracer } from '@berth/trace/tracer';
import type { ContainerStore } from '../containers/container-store.ts';
import type { Content } from '../content/content.ts';
import { Filter } from '../metadata/filter.ts';
import { validateIdentifier } from '../metadata/identifier.ts';
import type { Scope } from '../metadata/scope.ts';
import type { ShimAddress } from '../tasks/bundle.ts';
import type { Checkpoints } from '../tasks/checkpoints.ts';
import type { RuntimeAliases } from '../tasks/runtime-aliases.ts';
import type { Task } from '../tasks/task.ts';
import type { TaskStore } from '../tasks/task-store.ts';
import { namespaceOf, scopeOf } from './call-scope.ts';
import { descriptorMessage, descriptorOf } from './descriptor.ts';
import { traced } from './traced.ts';

export interface TasksServiceOptions {
  store: TaskStore;
  containers: ContainerStore;
  aliases: RuntimeAliases;
  checkpoints: Checkpoints;
  contentIn(scope: Scope): Content;
  tracer: Tracer;
  /** Where the tasks of a sandbox are served. NotFound for one that does not run. */
  shimOf(namespace: string, sandbox: string): ShimAddress;
  /** The client's mounts, or those of the container's own snapshot; under other owners where that is remapped. */
  rootfsOf(namespace: string, container: Container, given: Mount[]): Promise<Mount[]>;
}

export function tasksService({
  store,
  containers,
  aliases,
  checkpoints,
  contentIn,
  tracer,
  shimOf,
  rootfsOf,
}: TasksServiceOptions): Implementation<typeof Tasks> {
  const taskOf = ({ containerId }: { containerId: string }, call: Call) => {
    const namespace = namespaceOf(call);
    const task = store.find(namespace, containerId);
    if (task) return task;
    // Without a container there is no need to speak of a task.
    containers.get(namespace, containerId);
    return store.get(namespace, containerId);
  };

  return {
    create: (request, call) =>
      traced(tracer, 'lifecycle.create', call, async (span) => {
        const namespace = namespaceOf(call);
        const container = containers.get(namespace, request.containerId);
        if (!container.spec) {
          throw new EngineError('FailedPrecondition', `container "${container.id}" has no spec: failed precondition`, {
            layer: 'lifecycle',
          });
        }
        const runtime = aliases.resolve({
          name: request.runtimePath || (container.runtime?.name ?? ''),
          options: request.options ?? container.runtime?.options,
        });
        const checkpoint = request.checkpoint?.digest ? descriptorOf(request.checkpoint, 'checkpoint') : undefined;
        const images = await checkpoints.place(namespace, container.id, checkpoint, contentIn(scopeOf(call)), runtime.options);
        const wanted = {
          namespace,
          id: container.id,
          runtime: runtime.name,
          config: container.spec.value,
          rootfs: await rootfsOf(namespace, container, request.rootfs),
          stdin: request.stdin,
          stdout: request.stdout,
          stderr: request.stderr,
          terminal: request.terminal,
          checkpoint: images,
          options: runtime.options,
          ...(container.sandbox === '' ? {} : { shim: shimOf(namespace, container.sandbox) }),
        };
        try {
          const task = await store.create(wanted, span);
          return { containerId: task.id, pid: task.pid };
        } catch (error) {
          checkpoints.discard(namespace, container.id);
          throw error;
        }
      }),

    start: (request, call) =>
      traced(tracer, 'lifecycle.start', call, async (span) => {
        const task = taskOf(request, call);
        const { pid } = await task.api.start({ id: task.id, execId: request.execId }, task.options(span));
        if (request.execId === '') {
          // Some shims restore a checkpoint only now.
          task.pid = pid;
          checkpoints.discard(task.namespace, task.id);
        }
        return { pid };
      }),

    delete: (request, call) =>
      traced(tracer, 'lifecycle.delete', call, async (span) => {
        const task = taskOf(request, call);
        const answer = await task.api.delete({ id: task.id }, task.options(span));
        store.remove(task);
        checkpoints.discard(task.namespace, task.id);
        return { id: task.id, ...answer };
      }),

    deleteProcess: (request, call) =>
      traced(tracer, 'lifecycle.delete-process', call, async (span) => {
        const task = taskOf(request, call);
        validateIdentifier(request.execId, 'exec id: ');
        return { id: request.execId, ...(await task.api.delete({ id: task.id, execId: request.execId }, task.options(span))) };
      }),

    async get(request, call) {
      const task = taskOf(request, call);
      return { process: processOf(await task.api.state({ id: task.id, execId: request.execId }, task.options())) };
    },

    async list(_request, call) {
      const states = await Promise.all(store.list(namespaceOf(call)).map(stateOf));
      return { tasks: states.filter((state) => state !== undefined) };
    },

    async kill(request, call) {
      const task = taskOf(request, call);
      const { execId, signal, all } = request;
      return task.api.kill({ id: task.id, execId, signal, all }, task.options());
    },

    exec: (request, call) =>
      traced(tracer, 'lifecycle.exec', call, async (span) => {
        const task = taskOf(request, call);
        validateIdentifier(request.execId, 'exec id: ');
        const { execId, stdin, stdout, stderr, terminal, spec } = request;
        return task.api.exec({ id: task.id, execId, stdin, stdout, stderr, terminal, spec }, task.options(span));
      }),

    async resizePty(request, call) {
      const task = taskOf(request, call);
      const { execId, width, height } = request;
      return task.api.resizePty({ id: task.id, execId, width, height }, task.options());
    },

    async closeIO(request, call) {
      const task = taskOf(request, call);
      return task.api.closeIO({ id: task.id, execId: request.execId, stdin: request.stdin }, task.options());
    },

    async pause(request, call) {
      const task = taskOf(request, call);
      return task.api.pause({ id: task.id }, task.options());
    },

    async resume(request, call) {
      const task = taskOf(request, call);
      return task.api.resume({ id: task.id }, task.options());
    },

    async listPids(request, call) {
      const task = taskOf(request, call);
      return task.api.pids({ id: task.id }, task.options());
    },

    checkpoint: (request, call) =>
      traced(tracer, 'lifecycle.checkpoint', call, async () => {
        const task = taskOf(request, call);
        const container = containers.get(task.namespace, task.id);
        const descriptors = await checkpoints.save(task, container, contentIn(scopeOf(call)), request.options);
        return { descriptors: descriptors.map(descriptorMessage) };
      }),

    async update(request, call) {
      const task = taskOf(request, call);
      return task.api.update({ id: task.id, resources: request.resources, annotations: request.annotations }, task.options());
    },

    async metrics({ filters }, call) {
      const filter = new Filter(filters);
      const tasks = store.list(namespaceOf(call)).filter((task) => filter.matches(task, readTask));
      const metrics = await Promise.all(tasks.map(metricOf));
      return { metrics: metrics.filter((metric) => metric !== undefined) };
    },

    async wait(request, call) {
      const task = taskOf(request, call);
      return task.api.wait({ id: task.id, execId: request.execId }, task.options(undefined, call.signal));
    },
  };
}

/** Undefined for a task that ended or stopped answering while the list was made. */
async function stateOf(task: Task) {
  try {
    return processOf(await task.api.state({ id: task.id }, { ...task.options(), timeout: 2000 }));
  } catch (error) {
    if (error instanceof EngineError && (error.kind === 'NotFound' || error.kind === 'Unavailable')) return undefined;
    // A shim that hangs must not hide the other tasks, nor itself.
    return { containerId: task.id, id: task.id, pid: task.pid, status: Status.UNKNOWN };
  }
}

async function metricOf(task: Task) {
  try {
    const { stats } = await task.api.stats({ id: task.id }, task.options());
    return { timestamp: timestampNow(), id: task.id, data: stats };
  } catch {
    // Stopped meanwhile: it uses nothing any more.
    return undefined;
  }
}

/** Go's zero time, which Go's clients take for none; a date that is absent they take for 1970. */
const NEVER = { seconds: -62_135_596_800, nanos: 0 };

function processOf(state: StateResponse): Process {
  const { id, execId, pid, status, stdin, stdout, stderr, terminal, exitStatus, exitedAt } = state;
  return { containerId: id, id: execId || id, pid, status, stdin, stdout, stderr, terminal, exitStatus, exitedAt: exitedAt ?? NEVER };
}

function readTask(task: Task, path: readonly string[]): string | undefined {
  return path[0] === 'id' ? task.id : path[0] === 'namespace' ? task.namespace : undefined;
}
