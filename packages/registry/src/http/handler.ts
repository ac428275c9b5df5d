// The registry's API: finds the endpoint, lets the gate say whether the client may, does it, and turns what was thrown into an answer.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { parseTraceparent } from '@berth/trace/context';
import type { Tracer } from '@berth/trace/tracer';
import type { Action, Gate, Need, Principal } from '../access/gate.ts';
import type { TokenIssuer } from '../access/token-issuer.ts';
import { Problem, toProblem } from '../problem.ts';
import type { Source } from '../source.ts';
import type { Store } from '../store/store.ts';
import { deleteBlob, getBlob, headBlob } from './blobs.ts';
import { type BodyLimits, DEFAULT_LIMITS, Exchange } from './exchange.ts';
import { listReferrers, listRepositories, listTags } from './lists.ts';
import { deleteManifest, getManifest, putManifest } from './manifests.ts';
import { parseRoute, type Route } from './route.ts';
import { appendChunk, cancelUpload, finishUpload, type MountRules, startUpload, uploadStatus } from './uploads.ts';

export interface HandlerOptions {
  /** Undefined where nothing can be pushed. */
  store: Store | undefined;
  source: Source;
  gate: Gate;
  /** Answers `/token` when this registry gives its own tokens. */
  issuer: TokenIssuer | undefined;
  /** Refuses every change: a read-only registry, or a cache of another. */
  readOnly: boolean;
  /** How clients see this server, `https://registry.example.com`; undefined: by their Host header. */
  publicUrl: string | undefined;
  tracer: Tracer;
  limits?: BodyLimits;
  /** Told after every request. `failure` is what was thrown, when the server is at fault. */
  onAnswer(answer: Answered): void;
}

export interface Answered {
  method: string;
  path: string;
  status: number;
  milliseconds: number;
  client: string | undefined;
  user: string | undefined;
  failure: unknown;
  /** The client left before it had everything. */
  left: boolean;
}

const METHODS: Record<Route['kind'], readonly string[]> = {
  base: ['GET', 'HEAD'],
  token: ['GET'],
  catalog: ['GET', 'HEAD'],
  tags: ['GET', 'HEAD'],
  manifest: ['GET', 'HEAD', 'PUT', 'DELETE'],
  blob: ['GET', 'HEAD', 'DELETE'],
  uploads: ['POST'],
  upload: ['GET', 'HEAD', 'PATCH', 'PUT', 'DELETE'],
  referrers: ['GET', 'HEAD'],
};

export class RegistryHandler {
  readonly #options: HandlerOptions;

  constructor(options: HandlerOptions) {
    this.#options = options;
  }

  /** Never rejects. */
  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const started = performance.now();
    const exchange = new Exchange(request, response, this.#options.limits ?? DEFAULT_LIMITS);
    using span = this.#options.tracer.start(`${exchange.method} ${exchange.path}`, parseTraceparent(exchange.header('traceparent')));
    response.setHeader('docker-distribution-api-version', 'registry/2.0');
    response.setHeader('x-content-type-options', 'nosniff');
    let user: string | undefined;
    let failure: unknown;
    try {
      await this.#answer(exchange, (name) => {
        user = name;
      });
    } catch (thrown) {
      const problem = toProblem(thrown);
      if (problem.status >= 500) failure = problem.cause ?? problem;
      span.fail(thrown);
      exchange.problem(problem);
    }
    this.#options.onAnswer({
      method: exchange.method,
      path: exchange.path,
      status: response.statusCode,
      milliseconds: performance.now() - started,
      client: request.socket.remoteAddress,
      user,
      failure,
      left: exchange.signal.aborted,
    });
  }

  async #answer(exchange: Exchange, onUser: (name: string | undefined) => void): Promise<void> {
    const { gate, issuer, readOnly } = this.#options;
    const route = parseRoute(exchange.path);
    if (!route || (route.kind === 'token' && !issuer)) throw new Problem('UNSUPPORTED', 'there is nothing at this path', { status: 404 });
    const methods = METHODS[route.kind];
    if (!methods.includes(exchange.method)) throw new Problem('UNSUPPORTED', undefined, { headers: { allow: methods.join(', ') } });
    if (route.kind === 'token' && issuer) return issuer.answer(exchange);
    const principal = await gate.admit(exchange.header('authorization'), needsOf(route, exchange), this.#origin(exchange));
    onUser(principal.user);
    const changes = !['GET', 'HEAD'].includes(exchange.method);
    if (changes && readOnly) throw readOnlyProblem();
    await this.#serve(route, exchange, principal);
  }

  #serve(route: Route, exchange: Exchange, principal: Principal): Promise<void> | void {
    const { store, source } = this.#options;
    const { method } = exchange;
    switch (route.kind) {
      case 'base':
        return exchange.json(200, {});
      case 'catalog':
        return listRepositories(exchange, source);
      case 'tags':
        return listTags(exchange, source, route.name);
      case 'referrers':
        return listReferrers(exchange, source, route.name, route.digest);
      case 'manifest':
        if (method === 'PUT') return putManifest(exchange, writable(store).repositories, route.name, route.reference);
        if (method === 'DELETE') return deleteManifest(exchange, writable(store).repositories, route.name, route.reference);
        return getManifest(exchange, source, route.name, route.reference);
      case 'blob':
        if (method === 'DELETE') return deleteBlob(exchange, writable(store).repositories, route.name, route.digest);
        return (method === 'HEAD' ? headBlob : getBlob)(exchange, source, route.name, route.digest);
      case 'uploads':
        return startUpload(exchange, writable(store), route.name, mountRules(principal));
      case 'upload':
        if (method === 'PATCH') return appendChunk(exchange, writable(store), route.name, route.id);
        if (method === 'PUT') return finishUpload(exchange, writable(store), route.name, route.id);
        if (method === 'DELETE') return cancelUpload(exchange, writable(store), route.name, route.id);
        return uploadStatus(exchange, writable(store), route.name, route.id);
      case 'token':
        throw new Problem('UNSUPPORTED');
    }
  }

  #origin(exchange: Exchange): string {
    const { publicUrl } = this.#options;
    if (publicUrl !== undefined) return publicUrl;
    const host = exchange.header('host') ?? '';
    const scheme = 'encrypted' in exchange.request.socket ? 'https' : 'http';
    // The header comes from the client and goes back to it inside a quoted string.
    return /^[A-Za-z0-9._:[\]-]{1,300}$/.test(host) ? `${scheme}://${host}` : '';
  }
}

function writable(store: Store | undefined): Store {
  if (store) return store;
  throw readOnlyProblem();
}

function readOnlyProblem(): Problem {
  return new Problem('UNSUPPORTED', 'this registry is read-only');
}

function needsOf(route: Route, { method }: Exchange): Need[] {
  if (route.kind === 'catalog') return [{ type: 'registry', name: 'catalog', actions: ['*'] }];
  if (!('name' in route)) return [];
  const reads = (method === 'GET' || method === 'HEAD') && route.kind !== 'upload';
  const deletes = method === 'DELETE' && route.kind !== 'upload';
  const actions: Action[] = reads ? ['pull'] : deletes ? ['delete'] : ['pull', 'push'];
  return [{ type: 'repository', name: route.name, actions }];
}

function mountRules(principal: Principal): MountRules {
  return {
    mayPull: (name) => principal.may({ type: 'repository', name, actions: ['pull'] }),
    mayPullAll: principal.mayPullAll,
  };
}
