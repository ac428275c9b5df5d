// gRPC's server side over a unix socket: services from their generated descriptors, implementations as plain functions and async
// generators, EngineErrors as statuses. Runs in berth-lifecycle.
import { EngineError } from '@berth/errdefs/engine-error';
import {
  type handleUnaryCall,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServiceDefinition,
} from '@grpc/grpc-js';
import type { Call, Implementation } from '../ttrpc/server.ts';
import type { MethodType, ServiceType } from '../wire/message.ts';
import { FLOW_WINDOW, MESSAGE_LIMIT, statusOf } from './metadata.ts';

// biome-ignore lint/suspicious/noExplicitAny: messages are checked where the service is registered
type AnyCall = ServerUnaryCall<any, any> | ServerDuplexStream<any, any>;
// biome-ignore lint/suspicious/noExplicitAny: likewise
type AnyMethod = MethodType<any, any>;
// biome-ignore lint/suspicious/noExplicitAny: likewise
type AnyHandler = (request: any, call: Call) => any;

/** Told of every call that ended, with the error that it ended in. */
export type OnCall = (path: string, milliseconds: number, error: unknown) => void;

export interface GrpcServerOptions {
  onCall?: OnCall;
  /** Bytes of one message. */
  largestReceived?: number;
  largestSent?: number;
}

/** Services on one unix socket: register them, then listen. */
export class GrpcServer {
  readonly #server: Server;
  readonly #onCall: OnCall | undefined;

  constructor({ onCall, largestReceived = MESSAGE_LIMIT, largestSent = MESSAGE_LIMIT }: GrpcServerOptions = {}) {
    this.#onCall = onCall;
    this.#server = new Server({
      'grpc.max_receive_message_length': largestReceived,
      'grpc.max_send_message_length': largestSent,
      'grpc-node.flow_control_window': FLOW_WINDOW,
      'grpc.max_concurrent_streams': 10_000,
    });
  }

  /** Adds a service. A method left out answers NotImplemented. */
  register<S extends ServiceType>(service: S, implementation: Partial<Implementation<S>>): this {
    const definition: Record<string, unknown> = {};
    const handlers: Record<string, handleUnaryCall<unknown, unknown>> = {};
    for (const [key, method] of Object.entries(service.methods)) {
      definition[key] = {
        path: method.path,
        requestStream: method.requestStream,
        responseStream: method.responseStream,
        requestSerialize: method.request.encode,
        requestDeserialize: method.request.decode,
        responseSerialize: method.response.encode,
        responseDeserialize: method.response.decode,
      };
      const handler = implementation[key as keyof S['methods']] as AnyHandler | undefined;
      if (handler) handlers[key] = this.#handle(method, handler.bind(implementation)) as handleUnaryCall<unknown, unknown>;
    }
    this.#server.addService(definition as unknown as ServiceDefinition, handlers);
    return this;
  }

  /** Serves on a unix socket, whose file must not exist. */
  listen(path: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.bindAsync(`unix:${path}`, ServerCredentials.createInsecure(), (error) => (error ? reject(error) : resolve()));
    });
  }

  /** Refuses new calls, waits `grace` milliseconds for those under way, then ends them. */
  close(grace = 100): Promise<void> {
    return new Promise((resolve) => {
      const force = setTimeout(() => {
        this.#server.forceShutdown();
        resolve();
      }, grace);
      this.#server.tryShutdown(() => {
        clearTimeout(force);
        resolve();
      });
    });
  }

  #handle(method: AnyMethod, handler: AnyHandler) {
    const ended = (started: number, error?: unknown) => this.#onCall?.(method.path, performance.now() - started, error);
    if (!method.responseStream) {
      return async (grpc: ServerUnaryCall<unknown, unknown>, callback: (error: unknown, answer?: unknown) => void) => {
        const started = performance.now();
        const input = method.requestStream ? requests(grpc) : grpc.request;
        try {
          const answer = handler(input, new GrpcCall(method, grpc));
          callback(null, answer instanceof Promise ? await answer : answer);
          ended(started);
        } catch (error) {
          callback(statusOf(error));
          ended(started, error);
        }
      };
    }
    return async (grpc: ServerDuplexStream<unknown, unknown>) => {
      const started = performance.now();
      const input = method.requestStream ? requests(grpc) : (grpc as unknown as ServerUnaryCall<unknown, unknown>).request;
      const call = new GrpcCall(method, grpc);
      try {
        for await (const answer of handler(input, call)) {
          if (grpc.cancelled) break;
          if (!grpc.write(answer)) await drained(grpc);
        }
        grpc.end();
        ended(started);
      } catch (error) {
        grpc.emit('error', statusOf(error));
        ended(started, error);
      }
    };
  }
}

/** A call's context; what it holds is made when it is asked for. */
class GrpcCall implements Call {
  readonly method: string;
  readonly #grpc: AnyCall;
  #metadata: ReadonlyMap<string, string> | undefined;
  #signal: AbortSignal | undefined;

  constructor(method: AnyMethod, grpc: AnyCall) {
    this.method = method.name;
    this.#grpc = grpc;
  }

  get metadata(): ReadonlyMap<string, string> {
    this.#metadata ??= new Map(Object.entries(this.#grpc.metadata.getMap()).map(([key, value]) => [key, value.toString()]));
    return this.#metadata;
  }

  get signal(): AbortSignal {
    if (this.#signal) return this.#signal;
    const controller = new AbortController();
    const abort = () => controller.abort(new EngineError('Cancelled', `the caller of ${this.method} is gone`));
    if (this.#grpc.cancelled) abort();
    else this.#grpc.on('cancelled', abort);
    this.#signal = controller.signal;
    return this.#signal;
  }
}

/** What the client streams, until it ends its side. A client that goes away ends it with an error. */
async function* requests(grpc: unknown): AsyncGenerator {
  const stream = grpc as ServerDuplexStream<unknown, unknown>;
  // A handler that leaves the loop early still has a status to send over the same stream.
  for await (const message of stream.iterator({ destroyOnReturn: false })) yield message;
  if (stream.cancelled) throw new EngineError('Cancelled', 'the caller went away in the middle of its requests');
}

function drained(grpc: ServerDuplexStream<unknown, unknown>): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      grpc.off('drain', done);
      grpc.off('cancelled', done);
      resolve();
    };
    grpc.on('drain', done);
    grpc.on('cancelled', done);
  });
}
