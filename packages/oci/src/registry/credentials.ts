// Who the client says it is. The forms are those of Docker's X-Registry-Auth: a password, an OAuth2 refresh token
// ("identity token"), or a ready bearer token.

export type Credentials =
  | { readonly kind: 'password'; readonly username: string; readonly password: string }
  | { readonly kind: 'identity-token'; readonly token: string }
  | { readonly kind: 'bearer-token'; readonly token: string };

export interface CredentialRequest {
  /** Host and port of the registry, as it is dialled. */
  readonly host: string;
  /** The WWW-Authenticate headers that asked; empty when none did yet. */
  readonly challenges: readonly string[];
}

/** Asked at most once a host and operation; undefined is anonymous. */
export type CredentialSource = (request: CredentialRequest) => Promise<Credentials | undefined>;

export const anonymous: CredentialSource = async () => undefined;

/** As Docker's clients write a login: X-Registry-Auth and config.json share these fields. */
export interface Login {
  username?: string | undefined;
  password?: string | undefined;
  /** `user:password`, base64. */
  auth?: string | undefined;
  identitytoken?: string | undefined;
  registrytoken?: string | undefined;
}

export function credentialsOf(login: Login | undefined): Credentials | undefined {
  if (!login) return undefined;
  if (login.registrytoken) return { kind: 'bearer-token', token: login.registrytoken };
  if (login.identitytoken) return { kind: 'identity-token', token: login.identitytoken };
  if (login.username) return { kind: 'password', username: login.username, password: login.password ?? '' };
  if (!login.auth) return undefined;
  const [username = '', ...rest] = Buffer.from(login.auth, 'base64').toString('utf8').split(':');
  return { kind: 'password', username, password: rest.join(':') };
}
