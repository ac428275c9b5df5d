// Where a daemon listens, from what the user said: -H, DOCKER_HOST, a context, or Berth's own socket.
// Formats are docker's: unix:///path, tcp://host:port (TLS with --tlsverify or a context's certificates), http://, https://.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { EngineError } from '@berth/errdefs/engine-error';
import type { ErrorKind } from '@berth/errdefs/kind';

const DEFAULT_SOCKET = '/run/berth/berth.sock';

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

/** The endpoint that these choices mean, in docker's order of precedence. */
export function chooseEndpoint(choice: EndpointChoice): Endpoint {
  const environment = choice.environment ?? process.env;
  const context = choice.context ?? environment.DOCKER_CONTEXT;
  if (choice.host && choice.context)
    throw new EngineError('InvalidArgument', 'conflicting options: cannot specify both --host and --context', { layer: 'cli' });
  if (choice.host) return withTls(parseHost(choice.host), choice, environment);
  if (choice.context === undefined && environment.DOCKER_HOST) return withTls(parseHost(environment.DOCKER_HOST), choice, environment);
  if (context && context !== 'default') return contextEndpoint(context, configDirectory(environment));
  const current = currentContext(configDirectory(environment));
  if (current && current !== 'default' && !environment.DOCKER_HOST) return contextEndpoint(current, configDirectory(environment));
  return { kind: 'unix', path: DEFAULT_SOCKET };
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

/** Contexts live under the SHA-256 of their name (docker/cli's context store). */
function contextEndpoint(name: string, directory: string): Endpoint {
  const id = createHash('sha256').update(name).digest('hex');
  const meta = join(directory, 'contexts', 'meta', id, 'meta.json');
  if (!existsSync(meta)) throw unresolved('NotFound', `context "${name}": context not found: open ${meta}: no such file or directory`);
  const docker = JSON.parse(readFileSync(meta, 'utf8')).Endpoints?.docker ?? {};
  const endpoint = parseHost(docker.Host ?? `unix://${DEFAULT_SOCKET}`);
  const certificates = join(directory, 'contexts', 'tls', id, 'docker');
  if (endpoint.kind !== 'tcp' || !existsSync(certificates)) return endpoint;
  const tls: TlsMaterial = { verify: docker.SkipTLSVerify !== true };
  for (const part of ['ca', 'cert', 'key'] as const) {
    const file = join(certificates, `${part}.pem`);
    if (existsSync(file)) tls[part] = readFileSync(file);
  }
  return { ...endpoint, tls };
}

/** How the endpoint is written for people. */
export function describeEndpoint(endpoint: Endpoint): string {
  if (endpoint.kind === 'unix') return `unix://${endpoint.path}`;
  if (endpoint.kind === 'ssh') return endpoint.url.href;
  return `tcp://${endpoint.host}:${endpoint.port}`;
}
