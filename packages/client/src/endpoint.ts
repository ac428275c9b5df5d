// Where a daemon listens, from what the user said: -H, DOCKER_HOST, a context, or Berth's own socket.
// Formats are docker's: unix:///path, tcp://host:port (TLS with --tlsverify or a context's certificates), http://, https://.
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { EngineError } from '@berth/errdefs/engine-error';
import type { ErrorKind } from '@berth/errdefs/kind';
import { ContextStore } from './contexts/store.ts';

export const DEFAULT_SOCKET = '/run/berth/berth.sock';

export interface TlsMaterial {
  ca?: Buffer;
  cert?: Buffer;
  key?: Buffer;
  /** False accepts any server certificate (--tls without --tlsverify). */
  verify: boolean;
}

export type Endpoint =
  | { kind: 'unix'; path: string }
  | { kind: 'tcp'; host: string; port: number; tls?: TlsMaterial }
  | { kind: 'ssh'; url: URL };

export interface EndpointChoice {
  /** -H; wins over everything. */
  host?: string;
  /** -c / --context; DOCKER_HOST is ignored when it is given. */
  context?: string;
  tls?: boolean;
  tlsVerify?: boolean;
  tlsCaCert?: string;
  tlsCert?: string;
  tlsKey?: string;
  environment?: NodeJS.ProcessEnv;
}

/** The directory of config.json and contexts: DOCKER_CONFIG, or ~/.docker. */
export function configDirectory(environment: NodeJS.ProcessEnv = process.env): string {
  return environment.DOCKER_CONFIG || join(environment.HOME || homedir(), '.docker');
}

/** Which context is in force: `default` is what -H, DOCKER_HOST or the standard socket means. In docker's order of precedence. */
export function contextName(choice: EndpointChoice): string {
  const environment = choice.environment ?? process.env;
  if (choice.context) return choice.context;
  if (choice.host || environment.DOCKER_HOST) return 'default';
  return environment.DOCKER_CONTEXT || currentContext(configDirectory(environment)) || 'default';
}

/** The endpoint that these choices mean. */
export function chooseEndpoint(choice: EndpointChoice): Endpoint {
  const environment = choice.environment ?? process.env;
  if (choice.host && choice.context)
    throw new EngineError('InvalidArgument', 'conflicting options: cannot specify both --host and --context', { layer: 'cli' });
  const name = contextName(choice);
  if (name !== 'default') return contextEndpoint(name, configDirectory(environment));
  const host = choice.host || environment.DOCKER_HOST;
  return host ? withTls(parseHost(host), choice, environment) : { kind: 'unix', path: DEFAULT_SOCKET };
}

export function parseHost(host: string): Endpoint {
  const match = /^([a-z]+):\/\/(.*)$/.exec(host);
  const scheme = match?.[1] ?? 'tcp';
  const rest = match?.[2] ?? host;
  switch (scheme) {
    case 'unix':
      return { kind: 'unix', path: rest || DEFAULT_SOCKET };
    case 'tcp':
    case 'http':
    case 'https': {
      const url = parseUrl(`http://${rest}`, host);
      const port = url.port ? Number(url.port) : /:80\/?$/.test(rest) ? 80 : scheme === 'https' ? 2376 : 2375;
      const tcp: Endpoint = { kind: 'tcp', host: url.hostname.replace(/^\[|\]$/g, '') || '127.0.0.1', port };
      if (scheme === 'https') tcp.tls = { verify: true };
      return tcp;
    }
    case 'ssh':
      return { kind: 'ssh', url: parseUrl(host, host) };
    default:
      throw invalidHost(host);
  }
}

function parseUrl(text: string, host: string): URL {
  try {
    return new URL(text);
  } catch {
    throw invalidHost(host);
  }
}

function invalidHost(host: string): EngineError {
  return unresolved(
    'InvalidArgument',
    `invalid bind address format: ${host}: use unix:///path/to/socket, tcp://host:port or ssh://user@host`,
  );
}

function unresolved(kind: ErrorKind, why: string): EngineError {
  return new EngineError(kind, `Failed to initialize: unable to resolve berth endpoint: ${why}`, { layer: 'cli' });
}

function withTls(endpoint: Endpoint, choice: EndpointChoice, environment: NodeJS.ProcessEnv): Endpoint {
  if (endpoint.kind !== 'tcp') return endpoint;
  const verify = choice.tlsVerify ?? Boolean(environment.DOCKER_TLS_VERIFY);
  if (!verify && !choice.tls && !environment.DOCKER_TLS) return endpoint;
  const directory = environment.DOCKER_CERT_PATH || configDirectory(environment);
  const read = (path: string | undefined, name: string) => {
    const file = path ?? join(directory, name);
    return existsSync(file) ? readFileSync(file) : undefined;
  };
  const tls: TlsMaterial = { verify };
  const ca = read(choice.tlsCaCert, 'ca.pem');
  const cert = read(choice.tlsCert, 'cert.pem');
  const key = read(choice.tlsKey, 'key.pem');
  if (ca) tls.ca = ca;
  if (cert) tls.cert = cert;
  if (key) tls.key = key;
  return { ...endpoint, tls };
}

function currentContext(directory: string): string | undefined {
  try {
    return JSON.parse(readFileSync(join(directory, 'config.json'), 'utf8')).currentContext;
  } catch {
    return undefined;
  }
}

function contextEndpoint(name: string, directory: string): Endpoint {
  const store = new ContextStore(directory);
  if (!store.has(name)) {
    const meta = join(store.places(name).metadata, 'meta.json');
    throw unresolved('NotFound', `context "${name}": context not found: open ${meta}: no such file or directory`);
  }
  const { docker } = store.read(name).Endpoints;
  const endpoint = parseHost(docker?.Host || `unix://${DEFAULT_SOCKET}`);
  const files = store.tls(name);
  if (endpoint.kind !== 'tcp' || Object.keys(files).length === 0) return endpoint;
  const tls: TlsMaterial = { verify: docker?.SkipTLSVerify !== true };
  for (const part of ['ca', 'cert', 'key'] as const) {
    const body = files[`${part}.pem`];
    if (body) tls[part] = body;
  }
  return { ...endpoint, tls };
}

/** How the endpoint is written for people. */
export function describeEndpoint(endpoint: Endpoint): string {
  if (endpoint.kind === 'unix') return `unix://${endpoint.path}`;
  if (endpoint.kind === 'ssh') return endpoint.url.href;
  return `tcp://${endpoint.host}:${endpoint.port}`;
}
