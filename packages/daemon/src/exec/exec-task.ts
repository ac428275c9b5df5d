// An exec as a process of its container's task: through the container's shim where that is Berth's and the daemon can reach it, through
// the lifecycle service otherwise. Both understand the same requests; only a shim's own connection keeps them in order.
import type { Any } from '@berth/rpc/gen/google/protobuf/any';
import { TRACEPARENT } from '@berth/trace/context';
import type { Span } from '@berth/trace/tracer';
import type { Container } from '../containers/container.ts';
import type { ContainerContext } from '../containers/context.ts';
import { runtimeOf } from '../containers/task/runtime.ts';
import type { StdioUris } from '../containers/task/stdio.ts';
import { traced } from '../lifecycle/lifecycle.ts';

export interface ExecRequest extends StdioUris {
  terminal: boolean;
  /** The packed process of the runtime specification. */
  spec: Any;
}

export interface ExecTask {
  /** A start may be sent before the registration is answered. */
  readonly ordered: boolean;
  register(request: ExecRequest, span: Span): Promise<unknown>;
  start(span: Span): Promise<{ pid: number }>;
  /** The exit code; undefined where only the service's events tell it. To be asked for after register(). */
  exit(): Promise<number> | undefined;
  kill(signal: number): Promise<unknown>;
  delete(): Promise<unknown>;
}

export async function execTask(context: ContainerContext, container: Container, execId: string): Promise<ExecTask> {
  const ours = runtimeOf(context, container).attaches;
  const shim = ours ? await context.shims.taskOf(container.id) : undefined;
  const ids = { id: container.id, execId };
  if (shim) {
    return {
      ordered: true,
      register: (request, span) => shim.exec({ ...ids, ...request }, metadata(span)),
      start: (span) => shim.start(ids, metadata(span)),
      exit: async () => (await shim.wait(ids)).exitStatus,
      kill: (signal) => shim.kill({ ...ids, signal }),
      delete: () => shim.delete(ids),
    };
  }
  const { tasks, connection } = context.lifecycle;
  const service = { containerId: container.id, execId };
  return {
    ordered: ours && connection.shortened,
    register: (request, span) => tasks.exec({ ...service, ...request }, traced(span)),
    start: (span) => tasks.start(service, traced(span)),
    exit: () => undefined,
    kill: (signal) => tasks.kill({ ...service, signal }),
    delete: () => tasks.deleteProcess(service),
  };
}

function metadata(span: Span) {
  const { trace } = traced(span);
  return { metadata: trace === undefined ? [] : [[TRACEPARENT, trace] as const] };
}
