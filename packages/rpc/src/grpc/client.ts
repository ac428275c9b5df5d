// gRPC's client side: one connection to a containerd-like service, and typed functions for the methods of its services. Used by
// berthd. A connection that is lost is made again by the next call.
import { EngineError, isKind } from '@berth/errdefs/engine-error';
import {
  Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  connectivityState,
  credentials,
  type CallOptions as GrpcOptions,
  Metadata,
  type ServiceError,
} from '@grpc/grpc-js';
import type { Init, MethodType, ServiceType } from '../wire/message.ts';
import { errorOf, FLOW_WINDOW, LEASE, MESSAGE_LIMIT, NAMESPACE } from './metadata.ts';

export interface CallOptions {
  namespace?: string;
  lease?: string;
  /** A traceparent header. */
  trace?: string;
  /** More metadata, by name. */
  metadata?: Readonly<Record<string, string>>;
  /** Milliseconds. */
  timeout?: number;
  signal?: AbortSignal;
}

/** A call whose requests are sent one by one. */
export interface Duplex<Request, Response> extends AsyncIterable<Response>, Disposable {
  /** Resolves when more may be sent without filling memory. */
  send(request: Init<Request>): Promise<void>;
  /** No more requests. */
  end(): void;
  cancel(): void;
}

type Messages<M> = M extends MethodType<infer Request, infer Response> ? [Request, Response] : never;

type Method<M extends { requestStream: boolean; responseStream: boolean }> = M['requestStream'] extends true
  ? (options?: CallOptions) => Duplex<Messages<M>[0], Messages<M>[1]>
  : M['responseStream'] extends true
    ? (request: Init<Messages<M>[0]>, options?: CallOptions) => AsyncIterable<Messages<M>[1]>
    : (request: Init<Messages<M>[0]>, options?: CallOptions) => Promise<Messages<M>[1]>;

/** The methods of a service: promises, async iterables, or duplexes, as they stream. */
export type ServiceClient<S extends ServiceType> = { readonly [Name in keyof S['methods']]: Method<S['methods'][Name]> };

// biome-ignore lint/suspicious/noExplicitAny: matches every method
type AnyMethod = MethodType<any, any>;

/** One connection, made by the first call and closed by `close` or disposal. Calls throw EngineError: the status' kind and message. */
export class GrpcConnection implements Disposable {
  readonly #client: Client;
  readonly #defaults: CallOptions;
  readonly #patience: number;
  readonly address: string;

  /**
   * `address` is a unix socket's path, with or without `unix://`. The defaults go with every call. `patience` is how long, in
   * milliseconds, a call waits for a service that is being started again; without it, such a call fails at once.
   */
  constructor(address: string, { patience = 0, ...defaults }: Pick<CallOptions, 'namespace' | 'timeout'> & { patience?: number } = {}) {
    this.address = address.replace(/^unix:(\/\/)?/, '');
    this.#defaults = defaults;
    this.#patience = patience;
    this.#client = new Client(`unix:${this.address}`, credentials.createInsecure(), {
      'grpc.max_receive_message_length': MESSAGE_LIMIT,
      'grpc.max_send_message_length': MESSAGE_LIMIT,
      'grpc-node.flow_control_window': FLOW_WINDOW,
      'grpc.enable_http_proxy': 0,
      'grpc.service_config_disable_resolution': 1,
      'grpc.initial_reconnect_backoff_ms': 20,
      'grpc.min_reconnect_backoff_ms': 20,
      'grpc.max_reconnect_backoff_ms': 500,
    });
  }

  /** Waits until the service can be reached; throws Unavailable after `timeout` milliseconds. */
  ready(timeout = 10_000): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#client.waitForReady(Date.now() + timeout, (error) => {
        if (!error) resolve();
        else
          reject(
            new EngineError('Unavailable', `no service answers on ${this.address} after ${timeout} ms: ${error.message}`, { cause: error }),
          );
      });
    });
  }

  /** Whether a connection exists at this moment. */
  get connected(): boolean {
    return this.#client.getChannel().getConnectivityState(false) === connectivityState.READY;
  }

  /** The functions of a service; costs nothing until one is called. */
  client<S extends ServiceType>(service: S): ServiceClient<S> {
    const methods: Record<string, unknown> = {};
    for (const [key, method] of Object.entries(service.methods)) {
      if (method.requestStream) methods[key] = (options?: CallOptions) => this.#duplex(method, options);
      else if (method.responseStream) methods[key] = (request: unknown, options?: CallOptions) => this.#listen(method, request, options);
      else methods[key] = (request: unknown, options?: CallOptions) => this.#call(method, request, options);
    }
    return methods as unknown as ServiceClient<S>;
  }

  close(): void {
    this.#client.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #metadata(options: CallOptions): Metadata {
    const metadata = new Metadata();
    const namespace = options.namespace ?? this.#defaults.namespace;
    if (namespace) metadata.set(NAMESPACE, namespace);
    if (options.lease) metadata.set(LEASE, options.lease);
    if (options.trace) metadata.set('traceparent', options.trace);
    for (const [name, value] of Object.entries(options.metadata ?? {})) metadata.set(name, value);
    return metadata;
  }

  #options(options: CallOptions): GrpcOptions {
    const timeout = options.timeout ?? this.#defaults.timeout;
    return timeout === undefined ? {} : { deadline: Date.now() + timeout };
  }

  async #call(method: AnyMethod, request: unknown, options: CallOptions = {}): Promise<unknown> {
    if (this.#patience > 0 && !this.connected) await this.ready(this.#patience);
    try {
      return await this.#ask(method, request, options);
    } catch (error) {
      // The service died with the question.
      if (this.#patience === 0 || this.connected || !isKind(error, 'Unavailable') || !onlyReads(method)) throw error;
      await this.ready(this.#patience);
      return this.#ask(method, request, options);
    }
  }

  #ask(method: AnyMethod, request: unknown, options: CallOptions): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (options.signal?.aborted) {
        reject(cancelled(method, options.signal));
        return;
      }
      const call = this.#client.makeUnaryRequest(
        method.path,
        method.request.encode as (message: unknown) => Buffer,
        method.response.decode,
        request,
        this.#metadata(options),
        this.#options(options),
        (error, answer) => {
          stop();
          if (error) reject(options.signal?.aborted ? cancelled(method, options.signal) : errorOf(error, method.path));
          else resolve(answer);
        },
      );
      const stop = onAbort(options.signal, () => call.cancel());
    });
  }

  async *#listen(method: AnyMethod, request: unknown, options: CallOptions = {}): AsyncGenerator {
    options.signal?.throwIfAborted();
    if (this.#patience > 0 && !this.connected) await this.ready(this.#patience);
    const call = this.#client.makeServerStreamRequest(
      method.path,
      method.request.encode as (message: unknown) => Buffer,
      method.response.decode,
      request,
      this.#metadata(options),
      this.#options(options),
    );
    yield* answers(call, method, options, failureOf(call));
  }

  #duplex(method: AnyMethod, options: CallOptions = {}): Duplex<unknown, unknown> {
    options.signal?.throwIfAborted();
    if (this.#patience > 0 && !this.connected) return later(this.ready(this.#patience).then(() => this.#stream(method, options)));
    return this.#stream(method, options);
  }

  #stream(method: AnyMethod, options: CallOptions): Duplex<unknown, unknown> {
    const call: ClientDuplexStream<unknown, unknown> = this.#client.makeBidiStreamRequest(
      method.path,
      method.request.encode as (message: unknown) => Buffer,
      method.response.decode,
      this.#metadata(options),
      this.#options(options),
    );
    const failure = failureOf(call);
    const iterator = answers(call, method, options, failure);
    return {
      send(request) {
        if (failure.error) return Promise.reject(errorOf(failure.error, method.path));
        if (call.write(request)) return Promise.resolve();
        return new Promise((resolve) => {
          const done = () => {
            for (const event of ['drain', 'close', 'error']) call.off(event, done);
            resolve();
          };
          for (const event of ['drain', 'close', 'error']) call.on(event, done);
        });
      },
      end: () => call.end(),
      cancel: () => call.cancel(),
      [Symbol.dispose]: () => call.cancel(),
      [Symbol.asyncIterator]: () => iterator,
    };
  }
}

/** Whether a call of containerd's API may be made again by whoever does not know what became of it: it changes nothing. */
export function onlyReads({ name }: Pick<AnyMethod, 'name'>): boolean {
  return /^(Get|List|Info|Stat|Status|Usage|Mounts|Metrics|Version|Plugins|Server)/.test(name);
}

/** A stream that is opened when the service is back. */
function later(opening: Promise<Duplex<unknown, unknown>>): Duplex<unknown, unknown> {
  // Its failure is told to whoever sends or reads.
  opening.catch(() => {});
  const then = (act: (stream: Duplex<unknown, unknown>) => void) => void opening.then(act, () => {});
  const answers = (async function* () {
    yield* await opening;
  })();
  return {
    send: async (request) => (await opening).send(request),
    end: () => then((stream) => stream.end()),
    cancel: () => then((stream) => stream.cancel()),
    [Symbol.dispose]: () => then((stream) => stream.cancel()),
    [Symbol.asyncIterator]: () => answers,
  };
}

/** The error that a stream ended in. It may come while nobody reads, so it is kept. */
interface Failure {
  error?: ServiceError;
}

function failureOf(call: ClientReadableStream<unknown>): Failure {
  const failure: Failure = {};
  call.on('error', (error: ServiceError) => {
    failure.error = error;
  });
  return failure;
}

/** The answers of a stream; leaving the loop early cancels the call. */
async function* answers(call: ClientReadableStream<unknown>, method: AnyMethod, options: CallOptions, failure: Failure): AsyncGenerator {
  const stop = onAbort(options.signal, () => call.cancel());
  let over = false;
  try {
    // A stream that failed before anyone read it would never end.
    if (failure.error) throw failure.error;
    for await (const answer of call) yield answer;
    over = true;
    if (failure.error) throw failure.error;
  } catch (error) {
    over = true;
    if (options.signal?.aborted) throw cancelled(method, options.signal);
    throw typeof (error as ServiceError).code === 'number' ? errorOf(error as ServiceError, method.path) : error;
  } finally {
    stop();
    if (!over) call.cancel();
  }
}

function cancelled(method: AnyMethod, signal: AbortSignal): EngineError {
  return new EngineError('Cancelled', `${method.path} was cancelled`, { cause: signal.reason });
}

function onAbort(signal: AbortSignal | undefined, action: () => void): () => void {
  if (!signal) return () => {};
  signal.addEventListener('abort', action, { once: true });
  return () => signal.removeEventListener('abort', action);
}
