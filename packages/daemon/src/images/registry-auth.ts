// Credentials that a client sends with a request: base64url JSON in X-Registry-Auth (one registry) and X-Registry-Config (a build's).
// As in dockerd, a header that cannot be read means no credentials rather than an error: pulls of public images go on.
import type { AuthConfig } from '@berth/api/image';
import type { Credentials } from '@berth/oci/registry/credentials';

export function authOf(header: string | string[] | undefined): AuthConfig | undefined {
  return decode<AuthConfig>(header);
}

/** By host, as ~/.docker/config.json names them. */
export function authConfigsOf(header: string | string[] | undefined): Readonly<Record<string, AuthConfig>> {
  return decode<Record<string, AuthConfig>>(header) ?? {};
}

export function credentialsOf(auth: AuthConfig | undefined): Credentials | undefined {
  if (!auth) return undefined;
  if (auth.registrytoken) return { kind: 'bearer-token', token: auth.registrytoken };
  if (auth.identitytoken) return { kind: 'identity-token', token: auth.identitytoken };
  if (auth.username) return { kind: 'password', username: auth.username, password: auth.password ?? '' };
  if (!auth.auth) return undefined;
  const [username = '', ...rest] = Buffer.from(auth.auth, 'base64').toString('utf8').split(':');
  return { kind: 'password', username, password: rest.join(':') };
}

function decode<T>(header: string | string[] | undefined): T | undefined {
  const text = [header].flat()[0];
  if (!text) return undefined;
  try {
    const value: unknown = JSON.parse(Buffer.from(text, 'base64').toString('utf8'));
    return typeof value === 'object' && value !== null ? (value as T) : undefined;
  } catch {
    return undefined;
  }
}
