// One daemon as its client sees it: requests of the Engine API over any endpoint, errors as EngineError, hijacked streams.
// The API version is optimistic: the newest this client speaks, and on the daemon's refusal the newest the daemon names.
import http, { type IncomingMessage, type OutgoingHttpHeaders } from 'node:http';
import https from 'node:https';
import type { Duplex } from 'node:stream';
import { drained } from '@berth/api/drained';
import { EngineError } from '@berth/errdefs/engine-error';
import { kindOfHttpStatus } from '@berth/errdefs/http';
import { formatTraceparent, TRACEPARENT, type TraceContext } from '@berth/trace/context';
import { describeEndpoint, type Endpoint } from './endpoint.ts';
import { SshBridge } from './ssh.ts';

export const CLIENT_API_VERSION = '1.51';

export type Query = Record<string, string | number | boolean | undefined | null | readonly string[]>;

export interface RequestOptions {
  query?: Query;
  /** Sent as JSON. */
  json?: unknown;
  /** Sent as it is, chunked. */
  body?: NodeJS.ReadableStream | Uint8Array;
  headers?: OutgoingHttpHeaders;
  signal?: AbortSignal;
}

export interface EngineOptions {
  endpoint: Endpoint;
  /** Pins the version (DOCKER_API_VERSION) and switches negotiation off. */
  apiVersion?: string;
  headers?: Record<string, string>;
  /** Every request belongs to this trace. */
  trace?: TraceContext;
}

/** A connection taken over from HTTP: what the container writes comes out, what is written goes to its stdin. */
export interface Hijacked {
  stream: Duplex;
  /** True when output comes as stdcopy frames, false when raw (a terminal, or a daemon before 1.42 that says nothing). */
  multiplexed: boolean | undefined;
}

export class Engine {
  readonly endpoint: Endpoint;
  readonly #headers: Record<string, string>;
  readonly #agent: http.Agent;
  readonly #pinned: boolean;
  #version: string;
  /** The way to an ssh:// endpoint, once it was asked for. */
  #bridge: SshBridge | undefined;
  #opening: Promise<SshBridge> | undefined;
  /** Whether the daemon has taken the version. */
  #settled: boolean;

  constructor(options: EngineOptions) {
    this.endpoint = options.endpoint;
    this.#headers = { ...options.headers };
    if (options.trace) this.#headers[TRACEPARENT] = formatTraceparent(options.trace);
    this.#pinned = Boolean(options.apiVersion);
    this.#settled = this.#pinned;
    this.#version = options.apiVersion || CLIENT_API_VERSION;
    const Agent = this.#secure ? https.Agent : http.Agent;
    this.#agent = new Agent({ keepAlive: true });
  }

  /** The API version in use; final after the first answered request. */
  get apiVersion(): string {
    return this.#version;
  }

  get #secure(): boolean {
    return this.endpoint.kind === 'tcp' && this.endpoint.tls !== undefined;
  }

  /** Sends a request; resolves with the response once its headers are there, rejects with an EngineError for a status ≥ 400. */
  async request(method: string, path: string, options: RequestOptions = {}): Promise<IncomingMessage> {
    // A stream can be sent only once: what the daemon speaks is found out before.
    if (isStream(options.body) && !this.#settled) await this.call('GET', '/_ping');
    const response = await this.#send(method, path, options);
    const failed = (response.statusCode ?? 500) >= 400;
    const error = failed ? await errorOf(response) : undefined;
    if (error && this.#downgrade(error)) return this.request(method, path, options);
    this.#settled = true;
    if (error) throw error;
    return response;
  }

  /** A request whose answer is one JSON value (or nothing, which is undefined). */
  async json<T>(method: string, path: string, options: RequestOptions = {}): Promise<T> {
    const text = await readText(await this.request(method, path, options));
    return (text === '' ? undefined : JSON.parse(text)) as T;
  }

  /** A request whose answer does not matter; true unless the daemon said 304 Not Modified. */
  async call(method: string, path: string, options: RequestOptions = {}): Promise<boolean> {
    const response = await this.request(method, path, options);
    await readText(response);
    return response.statusCode !== 304;
  }

  /** A request that turns the connection into a two-way stream (`Upgrade: tcp`). */
  async hijack(path: string, options: RequestOptions = {}): Promise<Hijacked> {
    if (this.endpoint.kind === 'ssh') await this.#bridgeTo(this.endpoint.url);
    const request = this.#open('POST', path, { ...options, headers: { ...options.headers, Connection: 'Upgrade', Upgrade: 'tcp' } });
    const hijacked = new Promise<Hijacked | EngineError>((resolve, reject) => {
      request.on('upgrade', (response: IncomingMessage, socket: Duplex, head: Buffer) => {
        if (head.length > 0) socket.unshift(head);
        resolve({ stream: socket, multiplexed: multiplexed(response, this.#version) });
      });
      request.on('response', (response) => {
        errorOf(response).then(resolve, reject);
      });
      request.on('error', (error) => reject(this.#unreachable(error)));
    });
    request.end(options.json === undefined ? undefined : JSON.stringify(options.json));
    const result = await hijacked;
    if (!(result instanceof EngineError)) return result;
    if (this.#downgrade(result)) return this.hijack(path, options);
    throw result;
  }

  /** Lets idle connections go, so that the process can end. Nothing can be asked after it. */
  close(): void {
    this.#agent.destroy();
    this.#bridge?.[Symbol.dispose]();
  }

  async #bridgeTo(url: URL): Promise<void> {
    this.#opening ??= SshBridge.open(url);
    this.#bridge = await this.#opening;
  }

  async #send(method: string, path: string, options: RequestOptions): Promise<IncomingMessage> {
    if (this.endpoint.kind === 'ssh') await this.#bridgeTo(this.endpoint.url);
    return new Promise((resolve, reject) => {
      const request = this.#open(method, path, options);
      request.on('response', resolve);
      request.on('error', (error) => reject(options.signal?.aborted ? options.signal.reason : this.#unreachable(error)));
      if (options.json !== undefined) request.end(JSON.stringify(options.json));
      else if (options.body instanceof Uint8Array) request.end(options.body);
      else if (options.body) void sendBody(options.body, request).catch((error: Error) => request.destroy(error));
      else request.end();
    });
  }

  #open(method: string, path: string, options: RequestOptions): http.ClientRequest {
    const headers: OutgoingHttpHeaders = {
      Host: hostHeader(this.endpoint),
      'User-Agent': 'Berth-Client',
      ...this.#headers,
      ...options.headers,
    };
    if (options.json !== undefined) {
      headers['Content-Type'] = 'application/json';
      headers['Content-Length'] = Buffer.byteLength(JSON.stringify(options.json));
    } else if (method === 'POST' && options.body === undefined) {
      headers['Content-Length'] = 0;
    }
    const common = {
      method,
      path: `/v${this.#version}${path}${queryString(options.query)}`,
      headers,
      agent: headers.Upgrade || isStream(options.body) ? false : this.#agent,
      ...(options.signal ? { signal: options.signal } : {}),
    };
    const endpoint = this.endpoint;
    if (endpoint.kind === 'unix') return http.request({ ...common, socketPath: endpoint.path });
    if (endpoint.kind === 'ssh') return http.request({ ...common, socketPath: this.#bridge?.path });
    const address = { host: endpoint.host, port: endpoint.port };
    if (!endpoint.tls) return http.request({ ...common, ...address });
    const { verify, ...material } = endpoint.tls;
    return https.request({ ...common, ...address, ...material, rejectUnauthorized: verify });
  }

  /** Takes the daemon's own maximum when it refused ours; false when the error is another or the version is pinned. */
  #downgrade(error: EngineError): boolean {
    if (this.#pinned) return false;
    const newest = /Maximum supported API version is (\d+\.\d+)/i.exec(error.message)?.[1];
    if (!newest || newest === this.#version) return false;
    this.#version = newest;
    return true;
  }

  #unreachable(error: Error): EngineError {
    const code = (error as NodeJS.ErrnoException).code;
    const where = describeEndpoint(this.endpoint);
    if (code === 'EACCES') {
      return new EngineError(
        'PermissionDenied',
        `permission denied while trying to connect to the Berth daemon socket at ${where}: run as root, or join the group that owns the socket`,
        { layer: 'cli', cause: error },
      );
    }
    if (code === 'ENOENT' || code === 'ECONNREFUSED' || code === 'FailedToOpenSocket') {
      return new EngineError(
        'Unavailable',
        `Cannot connect to the Berth daemon at ${where}. Is the berth daemon running? Start it with berthd.`,
        {
          layer: 'cli',
          cause: error,
        },
      );
    }
    return new EngineError('Unavailable', `error during connect to ${where}: ${this.#bridge?.failure || error.message}`, {
      layer: 'cli',
      cause: error,
    });
  }
}

/** Over TLS it is what the server's certificate is held against. */
function hostHeader(endpoint: Endpoint): string {
  if (endpoint.kind !== 'tcp') return 'docker';
  return `${endpoint.host.includes(':') ? `[${endpoint.host}]` : endpoint.host}:${endpoint.port}`;
}

function multiplexed(response: IncomingMessage, version: string): boolean | undefined {
  const type = response.headers['content-type'];
  if (type === 'application/vnd.docker.multiplexed-stream') return true;
  // Before 1.42 every stream was called raw, framed or not.
  const says = Number(version.split('.')[1]) >= 42;
  return says && type === 'application/vnd.docker.raw-stream' ? false : undefined;
}

/** Each chunk is on its way before the next is read: `pipe` may lose the end when it comes while chunks wait (Bun). */
async function sendBody(body: NodeJS.ReadableStream, request: http.ClientRequest): Promise<void> {
  for await (const chunk of body) {
    if (request.destroyed) return;
    if (!request.write(chunk)) await drained(request);
  }
  request.end();
}

function isStream(body: RequestOptions['body']): boolean {
  return body !== undefined && !(body instanceof Uint8Array);
}

/** An image's name as part of a path: its slashes stay, everything else is encoded. */
export function imagePath(name: string): string {
  return name.split('/').map(encodeURIComponent).join('/');
}

function queryString(query: Query | undefined): string {
  const parameters = new URLSearchParams();
  for (const [key, value] of Object.entries(query ?? {})) {
    if (value === undefined || value === null || value === '') continue;
    if (Array.isArray(value)) for (const item of value) parameters.append(key, item);
    else parameters.append(key, typeof value === 'boolean' ? (value ? '1' : '0') : String(value));
  }
  const text = parameters.toString();
  return text ? `?${text}` : '';
}

export async function readText(response: NodeJS.ReadableStream): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

async function errorOf(response: IncomingMessage): Promise<EngineError> {
  const text = await readText(response);
  let layer: string | undefined;
  let message = text.trim() || `the daemon answered ${response.statusCode} without a message`;
  try {
    const body = JSON.parse(text);
    if (typeof body?.message === 'string') message = body.message;
    if (typeof body?.layer === 'string') layer = body.layer;
  } catch {
    // Daemons before API 1.24 and proxies answer in plain text.
  }
  return new EngineError(kindOfHttpStatus(response.statusCode ?? 500), message, {
    ...(layer ? { layer } : {}),
    details: { status: response.statusCode },
  });
}
