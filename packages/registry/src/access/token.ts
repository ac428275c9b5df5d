// Bearer tokens of Docker's token authentication specification: JSON Web Tokens (RFC 7519) signed with RS256 or ES256 (RFC 7518)
// whose claim `access` lists what their holder may do. The algorithm is the key's, never the token's word alone.
import { createPublicKey, type KeyObject, randomUUID, sign, verify, X509Certificate } from 'node:crypto';
import { EngineError } from '@berth/errdefs/engine-error';
import type { Action, Need } from './gate.ts';

/** Clocks of two machines may differ by this. */
const LEEWAY_S = 60;

export interface Access {
  type: string;
  name: string;
  actions: string[];
}

export interface Claims {
  iss?: string;
  sub?: string;
  aud?: string | string[];
  exp?: number;
  nbf?: number;
  iat?: number;
  jti?: string;
  access?: Access[];
}

export interface Expected {
  /** Any issuer that holds the key when undefined. */
  issuer: string | undefined;
  /** The audience that the token has to be for. */
  service: string;
}

/** The claims of a valid token; undefined for any other. `now` in seconds since 1970. */
export function verifyToken(token: string, keys: readonly KeyObject[], expected: Expected, now = Date.now() / 1000): Claims | undefined {
  const parts = token.split('.');
  if (parts.length !== 3) return undefined;
  const [head = '', body = '', signature = ''] = parts;
  const header = decoded<{ alg?: unknown; crit?: unknown }>(head);
  if (header === undefined || header.crit !== undefined) return undefined;
  const signed = Buffer.from(`${head}.${body}`);
  const bytes = Buffer.from(signature, 'base64url');
  const authentic = keys.some(
    (key) => header.alg === algorithmOf(key) && verify('sha256', signed, { key, dsaEncoding: 'ieee-p1363' }, bytes),
  );
  const claims = authentic ? decoded<Claims>(body) : undefined;
  if (claims === undefined || typeof claims.exp !== 'number' || claims.exp + LEEWAY_S < now) return undefined;
  if (claims.nbf !== undefined && !(claims.nbf - LEEWAY_S <= now)) return undefined;
  if (expected.issuer !== undefined && claims.iss !== expected.issuer) return undefined;
  return [claims.aud ?? []].flat().includes(expected.service) ? claims : undefined;
}

export interface TokenContent {
  issuer: string;
  service: string;
  user: string;
  access: readonly Access[];
  lifeSeconds: number;
}

export function signToken(content: TokenContent, key: KeyObject): string {
  const now = Math.floor(Date.now() / 1000);
  const claims: Claims = {
    iss: content.issuer,
    sub: content.user,
    aud: content.service,
    exp: now + content.lifeSeconds,
    nbf: now,
    iat: now,
    jti: randomUUID(),
    access: [...content.access],
  };
  const signed = `${encoded({ typ: 'JWT', alg: algorithmOf(key) })}.${encoded(claims)}`;
  return `${signed}.${sign('sha256', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
}

/** True when the token's claims cover everything that is needed. */
export function covers(access: readonly Access[] | undefined, need: Need): boolean {
  const granted = new Set<string>();
  for (const entry of Array.isArray(access) ? access : [])
    if (entry.type === need.type && entry.name === need.name) for (const action of entry.actions ?? []) granted.add(action);
  return granted.has('*') || need.actions.every((action: Action) => granted.has(action));
}

/** Public keys out of PEM text: public keys and certificates, any number of them. */
export function publicKeys(pem: string, path: string): KeyObject[] {
  const blocks = pem.match(/-----BEGIN (PUBLIC KEY|CERTIFICATE)-----[\s\S]*?-----END \1-----/g) ?? [];
  const keys = blocks.map((block) => (block.includes('CERTIFICATE') ? new X509Certificate(block).publicKey : createPublicKey(block)));
  const odd = keys.find((key) => algorithmOf(key) === undefined);
  if (keys.length === 0 || odd)
    throw new EngineError('InvalidArgument', `${path} must hold RSA or P-256 public keys or certificates in PEM`, { layer: 'registry' });
  return keys;
}

function algorithmOf(key: KeyObject): 'RS256' | 'ES256' | undefined {
  if (key.asymmetricKeyType === 'rsa') return 'RS256';
  return key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1' ? 'ES256' : undefined;
}

function encoded(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

function decoded<T>(part: string): T | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
    return typeof value === 'object' && value !== null ? (value as T) : undefined;
  } catch {
    return undefined;
  }
}
