// What the commands about contexts share: the store, the name that is in force, and what a user may write.

import { readFileSync } from 'node:fs';
import type { ContextRecord, ContextTls } from '@berth/client/contexts/store';
import { DEFAULT_SOCKET } from '@berth/client/endpoint';
import { EngineError } from '@berth/errdefs/engine-error';
import type { Flags } from '../command.ts';
import type { Context } from '../context.ts';
import type { Arguments } from '../parse.ts';
import { invalid } from '../parse.ts';

/** The one that is not kept: what DOCKER_HOST or the standard socket means. */
export const DEFAULT = 'default';
export const DEFAULT_DESCRIPTION = 'Current DOCKER_HOST based configuration';

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.+-]+$/;
const KEYS = ['from', 'host', 'ca', 'cert', 'key', 'skip-tls-verify'];

export const ENDPOINT_FLAGS: Flags = {
  description: { type: 'string', description: 'Description of the context' },
  docker: {
    type: 'string',
    array: true,
    description: 'Set the endpoint: host=ADDRESS, from=CONTEXT, ca=FILE, cert=FILE, key=FILE, skip-tls-verify=true, parted by commas',
  },
};

export function defaultRecord(context: Context): ContextRecord {
  const Host = context.environment.DOCKER_HOST || `unix://${DEFAULT_SOCKET}`;
  return { Name: DEFAULT, Metadata: {}, Endpoints: { docker: { Host, SkipTLSVerify: false } } };
}

/** Throws NotFound. */
export function recordOf(context: Context, name: string): ContextRecord {
  return name === DEFAULT ? defaultRecord(context) : context.contexts.read(name);
}

export function checkNewName(name: string): void {
  if (name === DEFAULT) throw new EngineError('InvalidArgument', '"default" is a reserved context name', { layer: 'cli' });
  if (!NAME.test(name)) {
    throw new EngineError('InvalidArgument', `context name "${name}" is invalid, names are validated against regexp "${NAME.source}"`, {
      layer: 'cli',
    });
  }
}

export interface EndpointConfig {
  endpoint: ContextRecord['Endpoints']['docker'];
  tls: ContextTls;
}

/** What --docker says; undefined when it was not given. */
export function endpointOf(args: Arguments, context: Context): EndpointConfig | undefined {
  const given = args.list('docker').flatMap((text) => text.split(','));
  if (given.length === 0) return undefined;
  const settings = new Map<string, string>();
  for (const pair of given) {
    const cut = pair.indexOf('=');
    if (cut < 0) throw invalid('docker', undefined, args.list('docker').join(','), `${pair} must be formatted as key=value`);
    settings.set(pair.slice(0, cut), pair.slice(cut + 1));
  }
  const unknown = [...settings.keys()].find((key) => !KEYS.includes(key));
  if (unknown !== undefined) throw wrong(`unrecognized config key: ${unknown}`);
  const from = settings.get('from');
  if (from !== undefined) return copyOf(context, from);
  const files = (['ca', 'cert', 'key'] as const).flatMap((part) => {
    const path = settings.get(part);
    return path ? [[`${part}.pem`, readPem(path, part)] as const] : [];
  });
  const skip = settings.get('skip-tls-verify') ?? 'false';
  if (!/^(1|t|true|0|f|false)$/i.test(skip)) throw wrong(`skip-tls-verify: parsing "${skip}": invalid syntax`);
  return { endpoint: { Host: settings.get('host') ?? '', SkipTLSVerify: /^(1|t)/i.test(skip) }, tls: Object.fromEntries(files) };
}

export function copyOf(context: Context, name: string): EndpointConfig {
  const { docker } = recordOf(context, name).Endpoints;
  return { endpoint: { ...docker }, tls: name === DEFAULT ? {} : context.contexts.tls(name) };
}

/** What a file that is none of these is told to be. */
const NO_PEM = {
  ca: 'ca.pem seems invalid',
  cert: 'tls: failed to find any PEM data in certificate input',
  key: 'tls: failed to find any PEM data in key input',
} as const;

function readPem(path: string, part: keyof typeof NO_PEM): Buffer {
  const body = read(path);
  if (new RegExp(`^-----BEGIN ${part === 'key' ? '.*PRIVATE KEY' : 'CERTIFICATE'}-----$`, 'm').test(body.toString('latin1'))) return body;
  throw wrong(`invalid docker endpoint options: failed to retrieve context tls info: ${NO_PEM[part]}`);
}

function read(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    throw wrong(`open ${path}: ${missing ? 'no such file or directory' : (cause as Error).message}`);
  }
}

function wrong(why: string): EngineError {
  return new EngineError('InvalidArgument', `unable to create docker endpoint config: ${why}`, { layer: 'cli' });
}
