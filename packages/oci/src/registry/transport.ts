// HTTP requests to registries over node:http and node:https: connection reuse, redirects that never carry credentials to another
// origin, plain HTTP where a host allows it, proxies from the environment, and connection errors worded as people know them.
import * as http from 'node:http';
import * as https from 'node:https';
import { drained } from '@berth/api/drained';
import { EngineError } from '@berth/errdefs/engine-error';
import { codeOf, reason } from './connection-failure.ts';
import type { RegistryHost } from './host.ts';
import { PATIENCE, type Patience, STALLED, stalled } from './patience.ts';
import { proxyEnvironment } from './proxy-environment.ts';

const USER_AGENT = 'berth/0.1.0';
const REDIRECT_LIMIT = 10;

export interface HttpRequest {
  method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  url: URL;
  headers: Record<string, string>;
  /** Bytes, or a source that is read once. */
  body?: Uint8Array | AsyncIterable<Uint8Array>;
  signal?: AbortSignal | undefined;
}

export type HttpResponse = http.IncomingMessage & { statusCode: number; patience: Patience };

/** The connections to one registry host and to what it redirects to. */
export class Transport implements Disposable {
  readonly #host: RegistryHost;
  readonly #patience: Patience;
  readonly #plain: http.Agent;
  readonly #secure: https.Agent;
  #scheme: 'https' | 'http';

  constructor(host: RegistryHost) {
    this.#host = host;
    this.#scheme = host.scheme;
    this.#patience = host.patience ?? PATIENCE;
    const options = { keepAlive: true, timeout: this.#patience.silence, proxyEnv: proxyEnvironment() };
    this.#plain = new http.Agent(options);
    const { ca, cert, key, skipVerify } = host.tls;
    this.#secure = new https.Agent({
      ...options,
      ...(ca ? { ca } : {}),
      ...(cert ? { cert } : {}),
      ...(key ? { key } : {}),
      ...(skipVerify ? { rejectUnauthorized: false } : {}),
    });
  }

  /** A URL of the registry's API: `url('/library/busybox/tags/list')`. */
  url(path: string): URL {
    return new URL(`${this.#scheme}://${this.#host.host}${this.#host.path}${path}`);
  }

  /** Sends a request and follows redirects; any status is an answer. The body of the answer must be read or destroyed. */
  async send(request: HttpRequest): Promise<HttpResponse> {
    try {
      return await this.#follow(request);
    } catch (error) {
      if (!this.#mayFallBack(error, request)) throw this.#worded(error, request);
      this.#scheme = 'http';
      const url = new URL(request.url);
      url.protocol = 'http:';
      return this.#follow({ ...request, url }).catch((second: unknown) => {
        throw this.#worded(second, { ...request, url });
      });
    }
  }

  [Symbol.dispose](): void {
    this.#plain.destroy();
    this.#secure.destroy();
  }

  async #follow(request: HttpRequest): Promise<HttpResponse> {
    let current = request;
    for (let hop = 0; hop <= REDIRECT_LIMIT; hop++) {
      const response = await this.#exchange(current);
      const location = response.headers.location;
      const redirected = [301, 302, 303, 307, 308].includes(response.statusCode) && (current.method === 'GET' || current.method === 'HEAD');
      if (!redirected || location === undefined) return response;
      response.resume();
      const url = new URL(location, current.url);
      if (current.url.protocol === 'https:' && url.protocol !== 'https:' && !this.#host.plainFallback) {
        throw new EngineError(
          'PermissionDenied',
          `${current.url.host} redirects to ${url.protocol}//${url.host}, which is not encrypted: refused`,
          {
            layer: 'registry',
          },
        );
      }
      const { authorization, ...rest } = current.headers;
      const headers = url.origin === current.url.origin && authorization !== undefined ? { ...rest, authorization } : rest;
      current = { ...current, url, headers };
    }
    throw new EngineError('Unavailable', `stopped after ${REDIRECT_LIMIT} redirects from ${request.url.host}`, { layer: 'registry' });
  }

  #exchange(request: HttpRequest): Promise<HttpResponse> {
    request.signal?.throwIfAborted();
    const secure = request.url.protocol === 'https:';
    const { promise, resolve, reject } = Promise.withResolvers<HttpResponse>();
    const outgoing = (secure ? https : http).request(request.url, {
      method: request.method,
      headers: { 'user-agent': USER_AGENT, ...this.#ownHeaders(request.url), ...request.headers },
      agent: secure ? this.#secure : this.#plain,
      ...(request.signal ? { signal: request.signal } : {}),
    });
    outgoing.on('error', reject);
    const { silence, head } = this.#patience;
    outgoing.on('timeout', () => outgoing.destroy(Object.assign(new Error(`no byte for ${silence / 1000} s`), { code: 'ETIMEDOUT' })));
    let late: NodeJS.Timeout | undefined;
    const awaitHead = () => {
      late ??= setTimeout(() => outgoing.destroy(stalled('net/http: timeout awaiting response headers')), head);
    };
    outgoing.on('close', () => clearTimeout(late));
    outgoing.on('response', (response) => {
      clearTimeout(late);
      resolve(Object.assign(response, { patience: this.#patience }) as HttpResponse);
    });
    if (request.body === undefined || request.body instanceof Uint8Array) {
      // The connection's making counts as well: a TLS server may drip its handshake.
      awaitHead();
      outgoing.end(request.body);
    } else {
      outgoing.on('finish', awaitHead);
      pour(request.body, outgoing).catch((error: unknown) => outgoing.destroy(error as Error));
    }
    return promise;
  }

  /** A host's configured headers are for that host only, not for where it redirects to. */
  #ownHeaders(url: URL): Record<string, string> {
    return url.host === this.#host.host ? this.#host.headers : {};
  }

  #mayFallBack(error: unknown, request: HttpRequest): boolean {
    if (!this.#host.plainFallback || request.url.protocol === 'http:' || request.url.host !== this.#host.host) return false;
    if (request.signal?.aborted) return false;
    const code = codeOf(error);
    return ['EPROTO', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE'].includes(code) || code.startsWith('ERR_SSL');
  }

  #worded(error: unknown, request: HttpRequest): unknown {
    if (error instanceof EngineError || request.signal?.aborted) return error;
    const what = `${request.method === 'HEAD' ? 'Head' : request.method === 'GET' ? 'Get' : request.method} "${request.url.href.split('?', 1)[0]}"`;
    return new EngineError('Unavailable', `${what}: ${reason(error)}`, {
      layer: 'registry',
      details: { host: request.url.host },
      cause: error,
    });
  }
}

/** True for failures of the connection, after which the same request may be sent again. */
export function isConnectionFailure(error: unknown): boolean {
  const cause = error instanceof EngineError ? error.cause : error;
  return [
    'ECONNRESET',
    'ETIMEDOUT',
    'EPIPE',
    'EAI_AGAIN',
    'ENETUNREACH',
    'EHOSTUNREACH',
    'ERR_STREAM_PREMATURE_CLOSE',
    'HPE_INVALID_EOF_STATE',
    STALLED,
  ].includes(codeOf(cause));
}

async function pour(source: AsyncIterable<Uint8Array>, into: http.ClientRequest): Promise<void> {
  for await (const chunk of source) {
    if (into.destroyed) return;
    if (!into.write(chunk)) await drained(into);
  }
  into.end();
}
