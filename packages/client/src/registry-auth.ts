// Credentials on the way to the daemon: base64url JSON in X-Registry-Auth (one registry) and X-Registry-Config (all, for builds).
import type { AuthConfig } from '@berth/api/image';

export function registryAuthHeader(auth: AuthConfig | undefined): Record<string, string> {
  return { 'X-Registry-Auth': Buffer.from(JSON.stringify(auth ?? {})).toString('base64url') };
}

export function registryConfigHeader(all: Record<string, AuthConfig>): Record<string, string> {
  return { 'X-Registry-Config': Buffer.from(JSON.stringify(all)).toString('base64url') };
}
