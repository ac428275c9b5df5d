// POST /auth: whether a registry takes these credentials.
import type { AuthConfig } from '@berth/api/image';
import type { Engine } from '../engine.ts';

export function checkLogin(engine: Engine, auth: AuthConfig): Promise<{ Status: string; IdentityToken?: string }> {
  return engine.json('POST', '/auth', { json: auth });
}
