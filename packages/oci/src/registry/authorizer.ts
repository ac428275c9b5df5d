// Answers a registry's challenge: HTTP basic, or a bearer token fetched from the realm that the challenge names, by GET with
// basic credentials or, with an identity token, by OAuth2's POST (distribution's auth/token and auth/oauth documents).
// Tokens are kept a host and scope until shortly before they expire.
import { EngineError } from '@berth/errdefs/engine-error';
import { readText } from './body.ts';
import { type Challenge, parseChallenges } from './challenge.ts';
import type { CredentialSource, Credentials } from './credentials.ts';
import { registryError } from './registry-error.ts';
import type { HttpResponse, Transport } from './transport.ts';

const CLIENT_ID = 'berth';
const DEFAULT_LIFE_S = 60;
/** A token is not used in the last seconds of its life: the request would arrive too late. */
const MARGIN_MS = 5_000;

interface Authorization {
  header: string;
  expiresAt: number;
}

/** What was sent with the request that the registry refused. */
export interface AuthorizedUse {
  rejected: string | undefined;
  signal: AbortSignal | undefined;
}

export class Authorizer {
  readonly #host: string;
  readonly #transport: Transport;
  readonly #source: CredentialSource;
  readonly #byScope = new Map<string, Promise<Authorization>>();
  #basic: string | undefined;
  readonly #offline: boolean;
  #credentials: Promise<Credentials | undefined> | undefined;
  #identityToken: string | undefined;

  /** `offline` asks for an identity token, which stands for the password from then on, beside each token. */
  constructor(host: string, transport: Transport, source: CredentialSource, { offline = false } = {}) {
    this.#host = host;
    this.#transport = transport;
    this.#source = source;
    this.#offline = offline;
  }

  /** What a token server gave for the password when it was asked to. */
  get identityToken(): string | undefined {
    return this.#identityToken;
  }

  /** The header for a request within `scope`, from what earlier challenges taught; undefined before the first. */
  async known(scope: string): Promise<string | undefined> {
    if (this.#basic !== undefined) return this.#basic;
    const entry = await this.#byScope.get(scope)?.catch(() => undefined);
    return entry !== undefined && entry.expiresAt - MARGIN_MS > Date.now() ? entry.header : undefined;
  }

  /** The header that answers a 401. Throws Unauthenticated when nothing that the registry takes can be given. */
  async answer(response: HttpResponse, scope: string, use: AuthorizedUse): Promise<string> {
    const headers = [response.headers['www-authenticate'] ?? []].flat();
    const challenges = parseChallenges(headers);
    const bearer = challenges.find((challenge) => challenge.scheme === 'bearer');
    this.#credentials ??= this.#source({ host: this.#host, challenges: headers });
    const credentials = await this.#credentials;
    if (credentials?.kind === 'bearer-token') return `Bearer ${credentials.token}`;
    if (bearer) return this.#bearer(bearer, scope, credentials, use);
    if (challenges.some((challenge) => challenge.scheme === 'basic') && credentials?.kind === 'password') {
      this.#basic = basicHeader(credentials.username, credentials.password);
      return this.#basic;
    }
    throw new EngineError('Unauthenticated', 'no basic auth credentials', {
      layer: 'registry',
      details: { status: 401, code: 'UNAUTHORIZED' },
    });
  }

  async #bearer(challenge: Challenge, scope: string, credentials: Credentials | undefined, use: AuthorizedUse): Promise<string> {
    const held = this.#byScope.get(scope);
    const current = await held?.catch(() => undefined);
    if (current !== undefined && current.header !== use.rejected) return current.header;
    // The token that was sent is expired or revoked, or fetching it failed: forget it, unless somebody already fetches another.
    if (this.#byScope.get(scope) === held) this.#byScope.delete(scope);
    const next = this.#byScope.get(scope) ?? this.#fetchToken(challenge, scope, credentials, use.signal);
    this.#byScope.set(scope, next);
    return (await next).header;
  }

  async #fetchToken(
    challenge: Challenge,
    scope: string,
    credentials: Credentials | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Authorization> {
    const realm = challenge.parameters.realm;
    if (realm === undefined || !/^https?:\/\//.test(realm)) {
      throw new EngineError('Unauthenticated', `registry ${this.#host} asks for a token but names no realm to get it from`, {
        layer: 'registry',
      });
    }
    const url = new URL(realm);
    const service = challenge.parameters.service;
    const scopes = [...new Set([...scope.split(' '), ...(challenge.parameters.scope ?? '').split(' ')])].filter(Boolean);
    let response: HttpResponse;
    if (credentials?.kind === 'identity-token') {
      const form = new URLSearchParams({
        grant_type: 'refresh_token',
        refresh_token: credentials.token,
        client_id: CLIENT_ID,
        scope: scopes.join(' '),
      });
      if (service !== undefined) form.set('service', service);
      const headers = { 'content-type': 'application/x-www-form-urlencoded' };
      response = await this.#transport.send({ method: 'POST', url, headers, body: Buffer.from(form.toString()), signal });
    } else {
      if (service !== undefined) url.searchParams.set('service', service);
      for (const one of scopes) url.searchParams.append('scope', one);
      if (credentials?.kind === 'password') url.searchParams.set('account', credentials.username);
      if (this.#offline) {
        url.searchParams.set('offline_token', 'true');
        url.searchParams.set('client_id', CLIENT_ID);
      }
      const headers: Record<string, string> =
        credentials?.kind === 'password' ? { authorization: basicHeader(credentials.username, credentials.password) } : {};
      response = await this.#transport.send({ method: 'GET', url, headers, signal });
    }
    const body = await readText(response);
    if (response.statusCode !== 200) throw registryError(response.statusCode, body, `token request to ${url.host}`);
    const { identityToken, ...authorization } = tokenOf(body, url.host);
    this.#identityToken ??= identityToken;
    return authorization;
  }
}

/** `repository:library/busybox:pull,push` */
export function repositoryScope(path: string, push: boolean): string {
  return `repository:${path}:pull${push ? ',push' : ''}`;
}

function tokenOf(body: string, host: string): Authorization & { identityToken: string | undefined } {
  let answer: { token?: unknown; access_token?: unknown; refresh_token?: unknown; expires_in?: unknown };
  try {
    answer = JSON.parse(body) as typeof answer;
  } catch (cause) {
    throw new EngineError('Unauthenticated', `token server ${host} did not answer with JSON`, { layer: 'registry', cause });
  }
  const token = answer.token ?? answer.access_token;
  if (typeof token !== 'string' || token === '') {
    throw new EngineError('Unauthenticated', `token server ${host} did not include a token in its answer`, { layer: 'registry' });
  }
  const life = typeof answer.expires_in === 'number' && answer.expires_in > 0 ? answer.expires_in : DEFAULT_LIFE_S;
  const identityToken = typeof answer.refresh_token === 'string' && answer.refresh_token !== '' ? answer.refresh_token : undefined;
  return { header: `Bearer ${token}`, expiresAt: Date.now() + life * 1000, identityToken };
}

function basicHeader(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}
