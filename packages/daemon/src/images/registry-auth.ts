// Credentials that a client sends with a request: base64url JSON in X-Registry-Auth (one registry) and X-Registry-Config (a build's).
// As in dockerd, a header that cannot be read means no credentials rather than an error: pulls of public images go on.
import type { AuthConfig } from '@berth/api/image';

export function authOf(header: string | string[] | undefined): AuthConfig | undefined {
  return decode<AuthConfig>(header);
}

/** By host, as ~/.docker/config.json names them. */
export function authConfigsOf(header: string | string[] | undefined): Readonly<Record<string, AuthConfig>> {
  return decode<Record<string, AuthConfig>>(header) ?? {};
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
