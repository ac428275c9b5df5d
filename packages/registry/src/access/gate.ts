// Who may do what. A gate looks at a request's Authorization header and says who asks; what that one may not do is answered by a
// challenge that tells the client how to come back (RFC 9110 section 11, Docker's token authentication specification).
import { Problem } from '../problem.ts';

export type Action = 'pull' | 'push' | 'delete' | '*';

/** One thing that a request needs: `repository:library/busybox:pull`, `registry:catalog:*`. */
export interface Need {
  readonly type: 'repository' | 'registry';
  readonly name: string;
  readonly actions: readonly Action[];
}

export interface Principal {
  /** Undefined is anonymous. */
  readonly user: string | undefined;
  may(need: Need): boolean;
  /** True when nothing that can be read is kept from it. */
  readonly mayPullAll: boolean;
}

export interface Gate {
  /** Throws UNAUTHORIZED with a challenge, or TOOMANYREQUESTS. `origin` is how the client sees this server: `https://host:port`. */
  admit(authorization: string | undefined, needs: readonly Need[], origin: string): Promise<Principal>;
}

export const everybody: Principal = { user: undefined, may: () => true, mayPullAll: true };

/** No access rules: for loopback and for networks where everybody may do everything. */
export class OpenGate implements Gate {
  async admit(): Promise<Principal> {
    return everybody;
  }
}

/** Name and password of a Basic header (RFC 7617); undefined when there is none. */
export function basicCredentials(authorization: string | undefined): { user: string; password: string } | undefined {
  const encoded = /^basic +([A-Za-z0-9+/=_-]+) *$/i.exec(authorization ?? '')?.[1];
  if (encoded === undefined) return undefined;
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  return colon === -1 ? undefined : { user: text.slice(0, colon), password: text.slice(colon + 1) };
}

export function unauthorized(challenge: string, needs: readonly Need[], message?: string): Problem {
  const detail = needs.map((need) => ({ Type: need.type, Name: need.name, Action: need.actions.join(',') }));
  return new Problem('UNAUTHORIZED', message, { detail, headers: { 'www-authenticate': challenge } });
}

/** `repository:library/busybox:pull,push` */
export function scopeOf(need: Need): string {
  return `${need.type}:${need.name}:${need.actions.join(',')}`;
}
