// gRPC's server side over a unix socket: services from their generated descriptors, implementations as plain functions and async
// generators, EngineErrors as statuses. Runs in berth-lifecycle.
import { createServer } from 'node:net';
import { EngineError } from '@berth/errdefs/engine-error';
import { Connection } from '../http2/connection.ts';
import type { Headers } from '../http2/request.ts';
import type { Receiver, Stream } from '../http2/stream.ts';
import { welcome } from '../http2/welcome.ts';
import type { Implementation } from '../ttrpc/server.ts';
import type { ServiceType } from '../wire/message.ts';
import { type CallRules, type OnCall, type Route, ServerCall } from './call.ts';
import { FLOW_WINDOW, MESSAGE_LIMIT } from './metadata.ts';
import { ANSWER, NOT_GRPC, NOT_POST, refusal } from './status.ts';

const WELCOME = welcome(FLOW_WINDOW);

export interface GrpcServerOptions {
  onCall?: OnCall;
  /** Bytes of one message. */
  largestReceived?: number;
  largestSent?: number;
}

/** Services on one unix socket: register them, then listen. */
export class GrpcServer {
  readonly #routes = new Map<string, Route>();
  readonly #rules: CallRules;
  readonly #connections = new Set<Connection>();
  // Half-open, because a client that says no more is gone: there is nothing to shut down in an orderly way.
  readonly #listener = createServer({ allowHalfOpen: true }, (socket) => {
    const connection = new Connection(socket, WELCOME, (stream, headers) => this.#open(stream, headers));
    this.#connections.add(connection);
    socket.on('close', () => this.#connections.delete(connection));
  });

  constructor({ onCall, largestReceived = MESSAGE_LIMIT, largestSent = MESSAGE_LIMIT }: GrpcServerOptions = {}) {
    this.#rules = { onCall, largestReceived, largestSent };
  }

  /** Adds a service. A method left out answers NotImplemented. */
  register<S extends ServiceType>(service: S, implementation: Partial<Implementation<S>>): this {
    for (const [key, method] of Object.entries(service.methods)) {
      const handler = implementation[key as keyof S['methods']];
      if (handler) this.#routes.set(method.path, { method, handle: (handler as Route['handle']).bind(implementation) });
    }
    return this;
  }

  /** Serves on a unix socket, whose file must not exist. */
  listen(path: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#listener.once('error', reject);
      this.#listener.listen(path, () => {
        // Later ones are of single clients, which could not be accepted.
        this.#listener.on('error', () => {});
        resolve();
      });
    });
  }

  /** Refuses new calls, waits `grace` milliseconds for those under way, then ends them. */
  close(grace = 100): Promise<void> {
    return new Promise((resolve) => {
      const force = setTimeout(() => {
        for (const connection of this.#connections) connection.destroy();
        resolve();
      }, grace);
      this.#listener.close(() => {
        clearTimeout(force);
        resolve();
      });
      for (const connection of this.#connections) connection.leave();
    });
  }

  #open(stream: Stream, headers: Headers): Receiver | undefined {
    const route = this.#routes.get(headers.get(':path') as string);
    if (headers.get(':method') !== 'POST') stream.finish(NOT_POST);
    else if (!headers.get('content-type')?.startsWith('application/grpc')) stream.finish(NOT_GRPC);
    else if (route) return new ServerCall(route, this.#rules, stream, headers);
    else {
      const error = new EngineError('NotImplemented', `The server does not implement the method ${headers.get(':path')}`);
      stream.finish(Buffer.concat([ANSWER, refusal(error)]));
    }
    return undefined;
  }
}
