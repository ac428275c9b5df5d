// The registry's own token server, `GET /token?service=…&scope=…`: users of the htpasswd file get what they ask for, everybody else
// only pulls, and only when anonymous pulling is allowed. Its key lies in the store, so tokens outlive a restart.
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { link, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isRepositoryPath } from '@berth/oci/reference';
import type { Exchange } from '../http/exchange.ts';
import { REALM } from './basic-gate.ts';
import { basicCredentials, unauthorized } from './gate.ts';
import type { Htpasswd } from './htpasswd.ts';
import { type Access, signToken } from './token.ts';

const LIFE_S = 300;
const SCOPES = 100;
const ACTIONS = ['pull', 'push', 'delete', '*'];

export const OWN_ISSUER = 'berth-registry';

export interface TokenIssuerOptions {
  users: Htpasswd;
  service: string;
  anonymousPull: boolean;
  key: KeyObject;
}

export class TokenIssuer {
  readonly #options: TokenIssuerOptions;

  constructor(options: TokenIssuerOptions) {
    this.#options = options;
  }

  get publicKey(): KeyObject {
    return createPublicKey(this.#options.key);
  }

  async answer(exchange: Exchange): Promise<void> {
    const { users, service, anonymousPull, key } = this.#options;
    const authorization = exchange.header('authorization');
    const given = basicCredentials(authorization);
    const known = given !== undefined && (await users.check(given.user, given.password));
    if (!known && (authorization !== undefined || !anonymousPull)) throw unauthorized(`Basic realm="${REALM}"`, []);
    const scopes = exchange.query
      .getAll('scope')
      .flatMap((scope) => scope.split(' '))
      .filter(Boolean);
    const access = scopes.slice(0, SCOPES).flatMap((scope) => granted(scope, known));
    const token = signToken({ issuer: OWN_ISSUER, service, user: known ? given.user : '', access, lifeSeconds: LIFE_S }, key);
    exchange.json(
      200,
      { token, access_token: token, expires_in: LIFE_S, issued_at: new Date().toISOString() },
      { 'cache-control': 'no-store' },
    );
  }
}

/** What of a scope its asker gets; what is not granted is left out, and the registry then refuses. */
function granted(scope: string, known: boolean): Access[] {
  const match = /^(repository|registry)(?:\([a-z0-9]+\))?:([^\s:]+):([a-z*,]+)$/.exec(scope);
  const [, type = '', name = '', list = ''] = match ?? [];
  if (!match || (type === 'repository' ? !isRepositoryPath(name) : name !== 'catalog')) return [];
  const actions = list.split(',').filter((action) => ACTIONS.includes(action) && (known || (type === 'repository' && action === 'pull')));
  return actions.length === 0 ? [] : [{ type, name, actions }];
}

/** The signing key of a store, made when there is none yet. */
export async function signingKey(root: string): Promise<KeyObject> {
  const path = join(root, 'token-key.pem');
  const existing = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (existing !== undefined) return createPrivateKey(existing);
  const pem = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' });
  const temporary = `${path}.${process.pid}`;
  await writeFile(temporary, pem, { mode: 0o600, flag: 'wx', flush: true });
  try {
    // Two servers that start at once agree on the first one's.
    await link(temporary, path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  } finally {
    await rm(temporary);
  }
  return createPrivateKey(await readFile(path, 'utf8'));
}
