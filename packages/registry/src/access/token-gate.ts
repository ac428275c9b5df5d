// Token authentication (Docker's registry v2 authentication via central service): the client is sent to a token server with the scope
// that it lacks, and comes back with a bearer token. The server is another program's, or this registry's own (token-issuer.ts).
import type { KeyObject } from 'node:crypto';
import { type Gate, type Need, type Principal, scopeOf, unauthorized } from './gate.ts';
import { covers, verifyToken } from './token.ts';

export interface TokenGateOptions {
  /** Where tokens are given; undefined is `/token` of this server. */
  realm: string | undefined;
  service: string;
  issuer: string | undefined;
  keys: readonly KeyObject[];
}

export class TokenGate implements Gate {
  readonly #options: TokenGateOptions;

  constructor(options: TokenGateOptions) {
    this.#options = options;
  }

  async admit(authorization: string | undefined, needs: readonly Need[], origin: string): Promise<Principal> {
    const token = /^bearer +([A-Za-z0-9._~+/=-]+) *$/i.exec(authorization ?? '')?.[1];
    const claims = token === undefined ? undefined : verifyToken(token, this.#options.keys, this.#options);
    if (!claims) throw unauthorized(this.#challenge(needs, origin, token === undefined ? undefined : 'invalid_token'), needs);
    const may = (need: Need) => covers(claims.access, need);
    if (!needs.every(may)) throw unauthorized(this.#challenge(needs, origin, 'insufficient_scope'), needs);
    return { user: claims.sub || undefined, may, mayPullAll: false };
  }

  #challenge(needs: readonly Need[], origin: string, error: string | undefined): string {
    const parts = [`realm="${this.#options.realm ?? `${origin}/token`}"`, `service="${this.#options.service}"`];
    if (needs.length > 0) parts.push(`scope="${needs.map(scopeOf).join(' ')}"`);
    if (error !== undefined) parts.push(`error="${error}"`);
    return `Bearer ${parts.join(',')}`;
  }
}
