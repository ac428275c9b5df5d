// Where logins are kept: config.json's `auths`, or the credential helper that `credHelpers` or `credsStore` names for the registry
// (docker-credential-NAME store|erase; docker/docker-credential-helpers). With a helper, config.json only says that there is a login.
import { spawnSync } from 'node:child_process';
import type { AuthConfig } from '@berth/api/image';
import { EngineError } from '@berth/errdefs/engine-error';
import { type ConfigFile, changeConfigFile } from '../config-file.ts';
import type { Context } from '../context.ts';

/** Keeps a login; true when it went into config.json in the clear. */
export function storeLogin(context: Context, registry: string, auth: AuthConfig): boolean {
  const helper = helperFor(context.config, registry);
  if (helper) {
    const [username, secret] = auth.identitytoken ? ['<token>', auth.identitytoken] : [auth.username ?? '', auth.password ?? ''];
    runHelper(helper, 'store', JSON.stringify({ ServerURL: registry, Username: username, Secret: secret }));
    change(context, (auths) => ({ ...auths, [registry]: {} }));
    return false;
  }
  const password = auth.identitytoken ? '' : (auth.password ?? '');
  const entry = {
    auth: Buffer.from(`${auth.username ?? ''}:${password}`).toString('base64'),
    ...(auth.identitytoken ? { identitytoken: auth.identitytoken } : {}),
  };
  change(context, (auths) => ({ ...auths, [registry]: entry }));
  return true;
}

/** False when there was no login. */
export function eraseLogin(context: Context, registry: string): boolean {
  const spellings = [registry, `https://${registry}`, `http://${registry}`];
  const known = spellings.filter((spelling) => context.config.auths?.[spelling] !== undefined);
  const helper = helperFor(context.config, registry);
  if (helper) runHelper(helper, 'erase', registry);
  if (known.length === 0) return false;
  change(context, (auths) => Object.fromEntries(Object.entries(auths).filter(([spelling]) => !known.includes(spelling))));
  return true;
}

function helperFor(config: ConfigFile, registry: string): string | undefined {
  return config.credHelpers?.[registry] ?? config.credsStore;
}

function runHelper(helper: string, verb: 'store' | 'erase', input: string): void {
  const program = `docker-credential-${helper}`;
  const answer = spawnSync(program, [verb], { input, encoding: 'utf8' });
  if (answer.status === 0) return;
  const why = answer.error?.message ?? (answer.stdout.trim() || answer.stderr.trim());
  // Erasing what was never stored is no failure.
  if (verb === 'erase' && /credentials not found/i.test(why)) return;
  throw new EngineError(
    'Unavailable',
    `error ${verb === 'store' ? 'storing' : 'erasing'} credentials - err: ${why}, out: \`${answer.stdout?.trim() ?? ''}\``,
    {
      layer: 'cli',
      cause: answer.error,
    },
  );
}

function change(context: Context, update: (auths: Record<string, object>) => Record<string, object>): void {
  changeConfigFile(context.configDirectory, (whole) => {
    const auths = update((whole.auths ?? {}) as Record<string, object>);
    return { ...whole, auths: Object.keys(auths).length > 0 ? auths : undefined };
  });
}
