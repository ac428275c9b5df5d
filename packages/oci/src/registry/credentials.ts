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
