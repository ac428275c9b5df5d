// ttrpc's server side over any stream. A connection carries many calls at once; each is a stream number of the client's choice.
// Runs in shims, so it starts no timer, promise or controller that the call does not need.
import { createServer, type Server, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { EngineError } from '@berth/errdefs/engine-error';
import { Request } from '../../gen/ttrpc/request.ts';
import type { Init, MethodType, ServiceType } from '../wire/message.ts';
import { encodeFrame, type Frame, FrameDecoder, FrameFlag, FrameType } from './frame.ts';
import { Inbox } from './inbox.ts';
import { answer, type Metadata, metadataOf, refusal } from './message.ts';

/** What a method learns of the call besides its request. */
export interface Call {
  readonly method: string;
  readonly metadata: Metadata;
  /** Aborted when the caller is gone or its timeout has passed. */
  readonly signal: AbortSignal;
}

// biome-ignore lint/suspicious/noExplicitAny: matches every method
type AnyMethod = MethodType<any, any>;
type Messages<M extends AnyMethod> = M extends MethodType<infer Request, infer Response> ? [Request, Response] : never;
type Answer<T> = Init<T> | Promise<Init<T>>;

/** What implements a method: unary, or with an async iterable on the sides that stream. */
export type Handler<M extends AnyMethod> = M['requestStream'] extends true
  ? M['responseStream'] extends true
    ? (requests: AsyncIterable<Messages<M>[0]>, call: Call) => AsyncIterable<Init<Messages<M>[1]>>
    : (requests: AsyncIterable<Messages<M>[0]>, call: Call) => Answer<Messages<M>[1]>
  : M['responseStream'] extends true
    ? (request: Messages<M>[0], call: Call) => AsyncIterable<Init<Messages<M>[1]>>
    : (request: Messages<M>[0], call: Call) => Answer<Messages<M>[1]>;

/** Every method of a service, by its name in the descriptor. */
export type Implementation<S extends ServiceType> = { [Name in keyof S['methods']]: Handler<S['methods'][Name]> };

// biome-ignore lint/suspicious/noExplicitAny: the handler's type was checked by register()
type Route = { method: AnyMethod; handle: (request: any, call: Call) => any };

/** Services on a unix socket, and on connections that are handed to it. */
export class TtrpcServer {
  readonly #routes = new Map<string, Route>();
  readonly #connections = new Set<Connection>();
  #listener: Server | undefined;
  /** Called when the last client has gone. */
  deserted: (() => void) | undefined;

  /** Adds a service. A method left out answers NotImplemented. */
  register<S extends ServiceType>(service: S, implementation: Implementation<S>): this {
    for (const [key, method] of Object.entries(service.methods)) {
      const handler = implementation[key];
      if (typeof handler !== 'function') continue;
      this.#routes.set(`${service.name}/${method.name}`, { method, handle: handler.bind(implementation) as Route['handle'] });
    }
    return this;
  }

  /** Serves on a unix socket; its file exists when this returns. */
  listen(path: string): Server {
    this.#listener = createServer((socket) => this.serve(socket)).listen(path);
    return this.#listener;
  }

  /** Serves one connection until it ends. */
  serve(stream: Duplex): void {
    const connection = new Connection(stream, this.#routes);
    this.#connections.add(connection);
    stream.on('close', () => {
      this.#connections.delete(connection);
      if (this.#connections.size === 0) this.deserted?.();
    });
  }

  /** How many clients are connected. */
  get connections(): number {
    return this.#connections.size;
  }

  /** Stops listening and ends every connection once its last answers are written. */
  close(): void {
    this.#listener?.close();
    for (const connection of this.#connections) connection.end();
  }
}

class Connection {
  readonly #stream: Duplex;
  readonly #routes: Map<string, Route>;
  readonly #decoder = new FrameDecoder();
  readonly #calls = new Map<number, LiveCall>();

  constructor(stream: Duplex, routes: Map<string, Route>) {
    this.#stream = stream;
    this.#routes = routes;
    stream.on('data', (chunk: Buffer) => this.#receive(chunk));
    stream.on('error', () => {});
    stream.on('close', () => {
      for (const call of this.#calls.values()) call.abort(new EngineError('Cancelled', 'the ttrpc client disconnected'));
      this.#calls.clear();
    });
  }

  end(): void {
    this.#stream.end();
    if (this.#stream.readable) this.#stream.resume();
    (this.#stream as Socket).unref?.();
  }

  #receive(chunk: Buffer): void {
    try {
      for (const frame of this.#decoder.push(chunk)) this.#frame(frame);
    } catch {
      // Not ttrpc: nothing that this peer sends can be trusted to be in step any more.
      this.#stream.destroy();
    }
  }

  #frame(frame: Frame): void {
    if (frame.type === FrameType.request) {
      const request = Request.decode(frame.message);
      void this.#call(frame, request);
    } else if (frame.type === FrameType.data) {
      const inbox = this.#calls.get(frame.stream)?.inbox;
      if (!inbox) return;
      if (!(frame.flags & FrameFlag.noData)) inbox.push(Buffer.from(frame.message));
      if (frame.flags & FrameFlag.remoteClosed) inbox.close();
    }
  }

  async #call(frame: Frame, request: Request): Promise<void> {
    const { stream } = frame;
    if (stream % 2 === 0 || this.#calls.has(stream)) {
      this.#send(
        stream,
        FrameType.response,
        0,
        refusal(new EngineError('InvalidArgument', `ttrpc: stream ${stream} is not a new odd one`)),
      );
      return;
    }
    const call = new LiveCall(request);
    this.#calls.set(stream, call);
    try {
      const route = this.#routes.get(`${request.service}/${request.method}`);
      if (!route) throw new EngineError('NotImplemented', `/${request.service}/${request.method} is not implemented here`);
      const { method } = route;
      if (method.requestStream) call.inbox = new Inbox<Uint8Array>();
      if (call.inbox && frame.flags & FrameFlag.remoteClosed) call.inbox.close();
      const input = call.inbox ? decodeAll(call.inbox, method) : method.request.decode(request.payload);
      const output = route.handle(input, call);
      if (method.responseStream) {
        for await (const message of output) this.#send(stream, FrameType.data, 0, method.response.encode(message));
        this.#send(stream, FrameType.data, FrameFlag.remoteClosed | FrameFlag.noData, new Uint8Array(0));
      } else {
        this.#send(stream, FrameType.response, 0, answer(method.response.encode(output instanceof Promise ? await output : output)));
      }
    } catch (error) {
      this.#send(stream, FrameType.response, 0, refusal(error));
    } finally {
      call.settle();
      this.#calls.delete(stream);
    }
  }

  #send(stream: number, type: FrameType, flags: number, message: Uint8Array): void {
    if (!this.#stream.writable) return;
    this.#stream.write(encodeFrame({ stream, type, flags, message }));
  }
}

async function* decodeAll(inbox: Inbox<Uint8Array>, method: AnyMethod): AsyncGenerator {
  for await (const bytes of inbox) yield method.request.decode(bytes);
}

/** A call in flight. Its abort controller and timer exist only for methods that ask for the signal. */
class LiveCall implements Call {
  readonly method: string;
  readonly metadata: Metadata;
  inbox: Inbox<Uint8Array> | undefined;
  readonly #deadline: number | undefined;
  #controller: AbortController | undefined;
  #timer: NodeJS.Timeout | undefined;
  #gone: unknown;

  constructor(request: Request) {
    this.method = request.method;
    this.metadata = metadataOf(request);
    if (request.timeoutNano > 0) this.#deadline = performance.now() + request.timeoutNano / 1e6;
  }

  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController();
      if (this.#gone) this.#controller.abort(this.#gone);
      else if (this.#deadline !== undefined) {
        const left = Math.max(0, this.#deadline - performance.now());
        this.#timer = setTimeout(
          () => this.abort(new EngineError('DeadlineExceeded', 'the caller waits no longer')),
          Math.min(left, 0x7fffffff),
        );
        this.#timer.unref();
      }
    }
    return this.#controller.signal;
  }

  abort(reason: unknown): void {
    this.#gone = reason;
    this.#controller?.abort(reason);
    this.inbox?.fail(reason);
  }

  settle(): void {
    clearTimeout(this.#timer);
  }
}
