// One repository on one host: authorized requests, and answers that are errors thrown as such.
import { EngineError } from '@berth/errdefs/engine-error';
import { Authorizer, repositoryScope } from './authorizer.ts';
import { readText } from './body.ts';
import type { CredentialSource } from './credentials.ts';
import type { RegistryHost } from './host.ts';
import { registryError } from './registry-error.ts';
import { type HttpRequest, type HttpResponse, Transport } from './transport.ts';

export interface ConnectionRequest {
  method: HttpRequest['method'];
  /** Below `/v2/<repository>`, or a whole URL that the registry gave (an upload's location). */
  path: string | URL;
  headers?: Record<string, string>;
  body?: Uint8Array | AsyncIterable<Uint8Array>;
  /** Statuses to return; any other is thrown as the registry's error. */
  expect: readonly number[];
  push?: boolean;
  signal?: AbortSignal | undefined;
}

export class Connection implements Disposable {
  readonly host: RegistryHost;
  readonly repository: string;
  readonly #transport: Transport;
  readonly #authorizer: Authorizer;

  /** `offline`: asks token servers for an identity token, which `identityToken` then has. */
  constructor(host: RegistryHost, repository: string, credentials: CredentialSource, options: { offline?: boolean } = {}) {
    this.host = host;
    this.repository = repository;
    this.#transport = new Transport(host);
    this.#authorizer = new Authorizer(host.host, this.#transport, credentials, options);
  }

  get identityToken(): string | undefined {
    return this.#authorizer.identityToken;
  }

  /** A body that is an iterable cannot be sent twice, so such a request needs an authorization from an earlier one of the same scope. */
  async request(request: ConnectionRequest): Promise<HttpResponse> {
    const scope = repositoryScope(this.repository, request.push === true);
    let authorization = await this.#authorizer.known(scope);
    let response = await this.#send(request, authorization);
    const repeatable = request.body === undefined || request.body instanceof Uint8Array;
    for (let again = 0; response.statusCode === 401 && repeatable && again < 2; again++) {
      response.resume();
      authorization = await this.#authorizer.answer(response, scope, { rejected: authorization, signal: request.signal });
      response = await this.#send(request, authorization);
    }
    if (request.expect.includes(response.statusCode)) return response;
    const error = registryError(
      response.statusCode,
      // A body that breaks off takes nothing from what the status says.
      await readText(response).catch(() => ''),
      `${request.method} ${this.#url(request).href.split('?', 1)[0]}`,
    );
    const wait = secondsOf(response.headers['retry-after']);
    if (wait === undefined) throw error;
    throw new EngineError(error.kind, error.message, { layer: 'registry', details: { ...error.details, retryAfterMs: wait * 1000 } });
  }

  /** Checks that the registry answers and takes the credentials: `GET /v2/`. */
  async ping(signal?: AbortSignal): Promise<void> {
    const send = (authorization?: string) =>
      this.#transport.send({ method: 'GET', url: this.#transport.url('/'), headers: authorization ? { authorization } : {}, signal });
    let response = await send();
    if (response.statusCode === 401) {
      response.resume();
      response = await send(await this.#authorizer.answer(response, '', { rejected: undefined, signal }));
    }
    const body = await readText(response);
    if (response.statusCode !== 200) throw registryError(response.statusCode, body, `GET ${this.#transport.url('/').href}`);
  }

  /** The URL that a Location header of this registry names. */
  resolve(location: string): URL {
    return new URL(location, this.#transport.url('/'));
  }

  [Symbol.dispose](): void {
    this.#transport[Symbol.dispose]();
  }

  #send(request: ConnectionRequest, authorization: string | undefined): Promise<HttpResponse> {
    const url = this.#url(request);
    // An upload's location may be on another origin (a bucket): the registry's token is not for it.
    const own = url.host === this.host.host;
    return this.#transport.send({
      method: request.method,
      url,
      headers: { ...request.headers, ...(authorization !== undefined && own ? { authorization } : {}) },
      ...(request.body === undefined ? {} : { body: request.body }),
      signal: request.signal,
    });
  }

  #url(request: ConnectionRequest): URL {
    return request.path instanceof URL ? request.path : this.#transport.url(`/${this.repository}${request.path}`);
  }
}

/** A Retry-After header: seconds, or a time (RFC 9110, section 10.2.3). */
function secondsOf(header: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  const seconds = /^\d+$/.test(header) ? Number(header) : (Date.parse(header) - Date.now()) / 1000;
  return Number.isNaN(seconds) ? undefined : Math.max(0, seconds);
}
