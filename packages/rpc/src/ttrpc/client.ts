// ttrpc's client side: many calls at once over one unix socket (or any other stream). Used by the lifecycle service towards shims,
// and by shims towards the lifecycle service's event socket.
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { EngineError, toEngineError } from '@berth/errdefs/engine-error';
import { Request } from '../../gen/ttrpc/request.ts';
import type { Init, MethodType, ServiceType } from '../wire/message.ts';
import { encodeFrame, type Frame, FrameDecoder, FrameFlag, FrameType } from './frame.ts';
import { Inbox } from './inbox.ts';
import { payloadOf, toKeyValues } from './message.ts';

export interface CallOptions {
  /** Added to the request, e.g. NAMESPACE and traceparent. */
  metadata?: Iterable<readonly [string, string]>;
  /** Milliseconds, told to the server and enforced here. */
  timeout?: number;
  signal?: AbortSignal;
}

// biome-ignore lint/suspicious/noExplicitAny: matches every method
type AnyMethod = MethodType<any, any>;

/** The unary methods of a service as functions. */
export type Stub<S extends ServiceType> = {
  [Name in keyof S['methods']]: S['methods'][Name] extends MethodType<infer Request, infer Response>
    ? (request: Init<Request>, options?: CallOptions) => Promise<Response>
    : never;
};

/** A call that streams: send, closeSend, and the answers by `for await`. */
export interface Stream<Request, Response> extends AsyncIterable<Response> {
  send(message: Init<Request>): void;
  closeSend(): void;
}

interface Pending {
  method: AnyMethod;
  receive(frame: Frame): void;
  fail(error: EngineError): void;
}

/** One connection with any number of calls on it. Calls throw EngineError: the status' kind and message, Unavailable once it is lost. */
export class TtrpcClient implements Disposable {
  readonly #stream: Duplex;
  readonly #decoder = new FrameDecoder();
  readonly #pending = new Map<number, Pending>();
  #next = 1;
  #broken: EngineError | undefined;

  constructor(stream: Duplex) {
    this.#stream = stream;
    stream.on('data', (chunk: Buffer) => this.#receive(chunk));
    stream.on('error', (error) => this.#break(new EngineError('Unavailable', `ttrpc: ${error.message}`, { cause: error })));
    stream.on('close', () => this.#break(new EngineError('Unavailable', 'ttrpc: the peer closed the connection')));
  }

  /** Connects to a unix socket; `unix://` in front of the path is allowed. */
  static connect(address: string, options: { signal?: AbortSignal } = {}): Promise<TtrpcClient> {
    const path = address.replace(/^unix:\/\//, '');
    return new Promise((resolve, reject) => {
      const socket = connect({ path, signal: options.signal });
      socket.once('error', (error) => reject(new EngineError('Unavailable', `connecting to ${path}: ${error.message}`, { cause: error })));
      socket.once('connect', () => {
        socket.removeAllListeners('error');
        resolve(new TtrpcClient(socket));
      });
    });
  }

  /** False once the connection is lost; every call fails at once then. */
  get connected(): boolean {
    return this.#broken === undefined;
  }

  /** Resolves when the connection is lost, however that happened. */
  closed(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#stream.closed) resolve();
      else this.#stream.once('close', () => resolve());
    });
  }

  stub<S extends ServiceType>(service: S): Stub<S> {
    const stub: Record<string, unknown> = {};
    for (const [key, method] of Object.entries(service.methods)) {
      stub[key] = (request: Init<unknown>, options?: CallOptions) => this.call(service.name, method, request, options);
    }
    return stub as Stub<S>;
  }

  call<Q, R>(service: string, method: MethodType<Q, R>, request: Init<Q>, options: CallOptions = {}): Promise<R> {
    return new Promise((resolve, reject) => {
      const { stream, release } = this.#open(service, method, method.request.encode(request), 0, options, {
        method,
        receive: (frame) => {
          release();
          try {
            resolve(method.response.decode(payloadOf(frame.message, method.path)));
          } catch (error) {
            reject(toEngineError(error));
          }
        },
        fail: (error) => {
          release();
          reject(error);
        },
      });
      this.#startClock(stream, options);
    });
  }

  /** Starts a streaming call. */
  stream<Q, R>(service: string, method: MethodType<Q, R>, options: CallOptions = {}, first?: Init<Q>): Stream<Q, R> {
    const inbox = new Inbox<R>();
    const flags = method.requestStream ? FrameFlag.remoteOpen : FrameFlag.remoteClosed;
    const payload = first === undefined ? new Uint8Array(0) : method.request.encode(first);
    const { stream, release } = this.#open(service, method, payload, flags, options, {
      method,
      receive: (frame) => {
        try {
          if (frame.type === FrameType.response) {
            const last = payloadOf(frame.message, method.path);
            if (!method.responseStream) inbox.push(method.response.decode(last));
            inbox.close();
          } else {
            if (!(frame.flags & FrameFlag.noData)) inbox.push(method.response.decode(Buffer.from(frame.message)));
            if (frame.flags & FrameFlag.remoteClosed) inbox.close();
          }
        } catch (error) {
          inbox.fail(error);
        }
        if (frame.type === FrameType.response || frame.flags & FrameFlag.remoteClosed) release();
      },
      fail: (error) => {
        release();
        inbox.fail(error);
      },
    });
    this.#startClock(stream, options);
    const write = (flags: number, message: Uint8Array) => {
      if (this.#broken) throw this.#broken;
      this.#send({ stream, type: FrameType.data, flags, message });
    };
    return {
      send: (message) => write(0, method.request.encode(message)),
      closeSend: () => write(FrameFlag.remoteClosed | FrameFlag.noData, new Uint8Array(0)),
      [Symbol.asyncIterator]: () => inbox[Symbol.asyncIterator](),
    };
  }

  /** Ends the connection; calls in flight fail. */
  close(): void {
    this.#stream.destroy();
    this.#break(new EngineError('Cancelled', 'ttrpc: the connection was closed'));
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Lets the process end although this connection is open. */
  unref(): this {
    (this.#stream as Duplex & { unref?(): void }).unref?.();
    return this;
  }

  #open(service: string, method: AnyMethod, payload: Uint8Array, flags: number, options: CallOptions, pending: Pending) {
    if (this.#broken) throw this.#broken;
    options.signal?.throwIfAborted();
    const stream = this.#next;
    this.#next += 2;
    this.#pending.set(stream, pending);
    const message = Request.encode({
      service,
      method: method.name,
      payload,
      timeoutNano: options.timeout === undefined ? 0 : Math.ceil(options.timeout * 1e6),
      metadata: options.metadata ? toKeyValues(options.metadata) : [],
    });
    this.#send({ stream, type: FrameType.request, flags, message });
    return { stream, release: () => this.#pending.delete(stream) };
  }

  /** What one turn of the event loop sends leaves in one write: each write may wake the peer, who then waits for the next. */
  #send(frame: Frame): void {
    const bytes = encodeFrame(frame);
    if (this.#stream.writableCorked === 0) {
      this.#stream.cork();
      // After the promises that are settled now, whose continuations may have more to send.
      queueMicrotask(() => process.nextTick(() => this.#stream.uncork()));
    }
    this.#stream.write(bytes);
  }

  /** ttrpc has no frame that cancels a call: the answer is dropped when it comes. */
  #startClock(stream: number, options: CallOptions): void {
    const pending = this.#pending.get(stream);
    if (!pending) return;
    const undo: (() => void)[] = [];
    const settle = () => {
      for (const each of undo) each();
    };
    const { receive, fail } = pending;
    if (options.timeout !== undefined) {
      const timer = setTimeout(
        () => pending.fail(new EngineError('DeadlineExceeded', `${pending.method.path} was not answered within ${options.timeout} ms`)),
        Math.min(options.timeout, 0x7fffffff),
      );
      undo.push(() => clearTimeout(timer));
    }
    if (options.signal) {
      const signal = options.signal;
      const abort = () => pending.fail(new EngineError('Cancelled', `${pending.method.path} was cancelled`, { cause: signal.reason }));
      signal.addEventListener('abort', abort, { once: true });
      undo.push(() => signal.removeEventListener('abort', abort));
    }
    if (undo.length === 0) return;
    pending.receive = (frame) => {
      if (frame.type === FrameType.response || frame.flags & FrameFlag.remoteClosed) settle();
      receive(frame);
    };
    pending.fail = (error) => {
      settle();
      fail(error);
    };
  }

  #receive(chunk: Buffer): void {
    try {
      for (const frame of this.#decoder.push(chunk)) this.#pending.get(frame.stream)?.receive(frame);
    } catch (error) {
      this.#break(toEngineError(error));
      this.#stream.destroy();
    }
  }

  #break(error: EngineError): void {
    this.#broken ??= error;
    for (const pending of [...this.#pending.values()]) pending.fail(this.#broken);
    this.#pending.clear();
  }
}
