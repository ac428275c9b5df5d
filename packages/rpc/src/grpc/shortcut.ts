// A gRPC connection that takes a shorter way where there is one: berth-lifecycle serves its services on its ttrpc socket as well, and
// a call over ttrpc takes a tenth of the time and of the CPU of one over HTTP/2. A service without that, such as containerd, is
// called over gRPC as ever. Streams, calls that can be cancelled, and lists of any length stay with gRPC, which is made for them.
import { EngineError, isKind } from '@berth/errdefs/engine-error';
import { Version } from '../../gen/containerd/services/version/v1/version.ts';
import { TtrpcClient } from '../ttrpc/client.ts';
import type { Init, MethodType, ServiceType } from '../wire/message.ts';
import { type CallOptions, GrpcConnection, onlyReads, type ServiceClient } from './client.ts';
import { LEASE, NAMESPACE } from './metadata.ts';

/** Milliseconds from a failed attempt to the next: the peer may have been in the middle of its start. */
const TRY_AGAIN = 2000;
const PROBE_TIMEOUT = 1000;

// biome-ignore lint/suspicious/noExplicitAny: matches every method
type AnyMethod = MethodType<any, any>;
type Unary = (request: Init<unknown>, options?: CallOptions) => Promise<unknown>;

/** As GrpcConnection; whether a call goes the shorter way is not to be seen but by `shortened`. */
export class ShortcutConnection extends GrpcConnection {
  readonly #defaults: Pick<CallOptions, 'namespace' | 'timeout'>;
  #ttrpc: TtrpcClient | undefined;
  #probing: Promise<void> | undefined;
  #tryAt = 0;
  #closed = false;

  constructor(address: string, defaults: ConstructorParameters<typeof GrpcConnection>[1] = {}) {
    super(address, defaults);
    this.#defaults = defaults;
  }

  override async ready(timeout?: number): Promise<void> {
    await super.ready(timeout);
    await this.#probe();
  }

  /** Whether calls take the shorter way at this moment. */
  get shortened(): boolean {
    return this.#ttrpc?.connected === true;
  }

  override client<S extends ServiceType>(service: S): ServiceClient<S> {
    const long = super.client(service) as Record<string, unknown>;
    const methods: Record<string, unknown> = { ...long };
    for (const [key, method] of Object.entries(service.methods)) {
      if (method.requestStream || method.responseStream || key.startsWith('list')) continue;
      const overGrpc = long[key] as Unary;
      methods[key] = (request: Init<unknown>, options: CallOptions = {}) => {
        if (options.signal) return overGrpc(request, options);
        if (this.#ttrpc?.connected) {
          const answer = this.#call(service.name, method, request, options);
          if (!onlyReads(method)) return answer;
          // The long way waits for a service that is started again.
          return answer.catch((error) => {
            if (this.shortened || !isKind(error, 'Unavailable')) throw error;
            return overGrpc(request, options);
          });
        }
        if (performance.now() >= this.#tryAt) void this.#probe();
        return overGrpc(request, options);
      };
    }
    return methods as unknown as ServiceClient<S>;
  }

  override close(): void {
    this.#closed = true;
    this.#ttrpc?.close();
    super.close();
  }

  #call(service: string, method: AnyMethod, request: Init<unknown>, options: CallOptions): Promise<unknown> {
    const metadata: [string, string][] = [];
    const namespace = options.namespace ?? this.#defaults.namespace;
    if (namespace) metadata.push([NAMESPACE, namespace]);
    if (options.lease) metadata.push([LEASE, options.lease]);
    if (options.trace) metadata.push(['traceparent', options.trace]);
    metadata.push(...Object.entries(options.metadata ?? {}));
    return (this.#ttrpc as TtrpcClient).call(service, method, request, { metadata, timeout: options.timeout ?? this.#defaults.timeout });
  }

  #probe(): Promise<void> {
    this.#probing ??= this.#connect().finally(() => {
      this.#probing = undefined;
    });
    return this.#probing;
  }

  /** Connects, and asks something that only a service that serves more than events there can answer. */
  async #connect(): Promise<void> {
    this.#tryAt = performance.now() + TRY_AGAIN;
    let client: TtrpcClient | undefined;
    try {
      client = await TtrpcClient.connect(`${this.address}.ttrpc`);
      await client.call(Version.name, Version.methods.version, {}, { timeout: PROBE_TIMEOUT });
      if (this.#closed) throw new EngineError('Cancelled', 'the connection was closed');
      this.#ttrpc = client;
    } catch (error) {
      client?.close();
      if (!(error instanceof EngineError)) throw error;
      // Not there, or not for us: containerd has only its event service on that socket.
      if (isKind(error, 'NotImplemented')) this.#tryAt = performance.now() + 10 * TRY_AGAIN;
    }
  }
}
