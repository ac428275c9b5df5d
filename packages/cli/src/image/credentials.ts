// Registry credentials of the user: config.json's `auths`, or a credential helper (`docker-credential-NAME get`, the registry on stdin,
// JSON on stdout; docker/docker-credential-helpers).
import { spawnSync } from 'node:child_process';
import type { AuthConfig } from '@berth/api/image';
import { EngineError } from '@berth/errdefs/engine-error';
import type { Context } from '../context.ts';

export function credentialsFor(context: Context, registry: string): AuthConfig | undefined {
  const { config } = context;
  const helper = config.credHelpers?.[registry] ?? config.credsStore;
  if (helper) return fromHelper(helper, registry);
  const entry = config.auths?.[registry] ?? config.auths?.[`https://${registry}`] ?? config.auths?.[`http://${registry}`];
  return entry ? decode(entry, registry) : undefined;
}

/** All that is known, for builds, which may pull from several registries. */
export function allCredentials(context: Context): Record<string, AuthConfig> {
  const registries = new Set([...Object.keys(context.config.auths ?? {}), ...Object.keys(context.config.credHelpers ?? {})]);
  return Object.fromEntries(
    [...registries].flatMap((registry) => {
      const auth = credentialsFor(context, registry);
      return auth ? [[registry, auth] as const] : [];
    }),
  );
}

function decode(entry: NonNullable<Context['config']['auths']>[string], registry: string): AuthConfig {
  const auth: AuthConfig = { serveraddress: registry };
  const [user, ...password] = Buffer.from(entry.auth ?? '', 'base64')
    .toString('utf8')
    .split(':');
  auth.username = entry.username ?? user ?? '';
  auth.password = entry.password ?? password.join(':').replace(/\0+$/, '');
  if (entry.identitytoken) auth.identitytoken = entry.identitytoken;
  if (entry.registrytoken) auth.registrytoken = entry.registrytoken;
  return auth;
}

function fromHelper(helper: string, registry: string): AuthConfig | undefined {
  const program = `docker-credential-${helper}`;
  const answer = spawnSync(program, ['get'], { input: registry, encoding: 'utf8' });
  if (answer.error) {
    throw new EngineError('Unavailable', `cannot run the credential helper ${program} that config.json names: ${answer.error.message}`, {
      layer: 'cli',
      cause: answer.error,
    });
  }
  if (answer.status !== 0) return undefined;
  const { Username: username, Secret: secret } = JSON.parse(answer.stdout) as { Username: string; Secret: string };
  return username === '<token>'
    ? { identitytoken: secret, serveraddress: registry }
    : { username, password: secret, serveraddress: registry };
}
