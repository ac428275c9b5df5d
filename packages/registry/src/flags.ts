// The command line of berth-registry: a command, then its flags.
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { type ParseArgsConfig, parseArgs } from 'node:util';
import { EngineError } from '@berth/errdefs/engine-error';

const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface ServeSettings {
  command: 'serve';
  /** The store's directory; undefined with `local`. */
  root: string | undefined;
  /** The engine whose images are offered instead of a store's. */
  local: { address: string; namespace: string } | undefined;
  /** Host and port; port 0 takes a free one. */
  listen: { host: string; port: number };
  tls: { certPath: string; keyPath: string; clientCaPath: string | undefined } | undefined;
  access: AccessSettings;
  readOnly: boolean;
  publicUrl: string | undefined;
  proxy: ProxySettings | undefined;
  /** An upload that nobody has written to for this long is removed. Milliseconds. */
  uploadLife: number;
  logLevel: LogLevel;
  traceDir: string | undefined;
}

export type AccessSettings =
  | { kind: 'open' }
  | { kind: 'basic'; htpasswdPath: string }
  | { kind: 'own-tokens'; htpasswdPath: string; anonymousPull: boolean; service: string }
  | { kind: 'tokens'; realm: string; service: string; issuer: string | undefined; keyPath: string };

export interface ProxySettings {
  url: URL;
  username: string | undefined;
  password: string | undefined;
  caPath: string | undefined;
}

export interface CollectSettings {
  command: 'gc';
  root: string;
  dryRun: boolean;
  deleteUntagged: boolean;
  /** What was pushed or asked for since then is kept. Milliseconds. */
  grace: number;
}

export const USAGE = `Usage: berth-registry serve --root DIR [flags]
       berth-registry serve --local SOCKET [--namespace NAME] [flags]
       berth-registry gc --root DIR [--dry-run] [--delete-untagged] [--grace DURATION]

An OCI registry (distribution-spec 1.1) on a directory, or over the images of an engine.

serve:
  --root DIR              the store; made when it is not there
  --local SOCKET          instead of a store, offer the images of the lifecycle service on this socket: read-only,
                          without a copy; "berth registry serve --local" finds the socket itself
  --namespace NAME        with --local: the images' namespace (default moby)
  --listen HOST:PORT      default 127.0.0.1:5000; port 0 takes a free one
  --tls-cert FILE         certificate chain in PEM; with --tls-key serves HTTPS
  --tls-key FILE          its private key
  --tls-client-ca FILE    clients need a certificate of this authority
  --htpasswd FILE         users, as htpasswd -B writes them: they alone may read and write
  --anonymous-pull        with --htpasswd: everybody may pull (by tokens of this server's own)
  --token                 with --htpasswd: tokens of this server's own instead of HTTP basic
  --token-realm URL       take the tokens of this server; needs the next two
  --token-service NAME    this registry's name in tokens (default berth-registry)
  --token-key FILE        public keys or certificates, PEM, that tokens are signed with (RS256, ES256)
  --token-issuer NAME     the issuer that tokens must name (default: any that holds the key)
  --read-only             refuse every change
  --public-url URL        how clients see this server, for its token realm (default: as they say)
  --proxy URL             be a cache of this registry: what is pulled is fetched there once and kept
  --proxy-username NAME   log in there with this name
  --proxy-password-file FILE  and the password in this file
  --proxy-ca FILE         trust this authority there
  --upload-life DURATION  remove uploads that rest for so long (default 24h)
  --log-level LEVEL       ${LOG_LEVELS.join(', ')} (default info)
  --trace-dir DIR         record spans, one file a trace

gc: deletes what no manifest needs; a server may serve meanwhile.
  --dry-run               say what would go
  --delete-untagged       also manifests that no tag, index or subject leads to
  --grace DURATION        keep what was pushed or asked for within it (default 1h)

Durations: 90s, 30m, 1h, 7d.
`;

type Options = NonNullable<ParseArgsConfig['options']>;

const SERVE = {
  root: { type: 'string' },
  local: { type: 'string' },
  namespace: { type: 'string', default: 'moby' },
  listen: { type: 'string', default: '127.0.0.1:5000' },
  'tls-cert': { type: 'string' },
  'tls-key': { type: 'string' },
  'tls-client-ca': { type: 'string' },
  htpasswd: { type: 'string' },
  'anonymous-pull': { type: 'boolean', default: false },
  token: { type: 'boolean', default: false },
  'token-realm': { type: 'string' },
  'token-service': { type: 'string', default: 'berth-registry' },
  'token-key': { type: 'string' },
  'token-issuer': { type: 'string' },
  'read-only': { type: 'boolean', default: false },
  'public-url': { type: 'string' },
  proxy: { type: 'string' },
  'proxy-username': { type: 'string' },
  'proxy-password-file': { type: 'string' },
  'proxy-ca': { type: 'string' },
  'upload-life': { type: 'string', default: '24h' },
  'log-level': { type: 'string', default: 'info' },
  'trace-dir': { type: 'string' },
} as const satisfies Options;

const COLLECT = {
  root: { type: 'string' },
  'dry-run': { type: 'boolean', default: false },
  'delete-untagged': { type: 'boolean', default: false },
  grace: { type: 'string', default: '1h' },
} as const satisfies Options;

/** InvalidArgument for a command line that is none. */
export function parseSettings(argv: readonly string[]): ServeSettings | CollectSettings | 'help' | 'version' {
  const [command, ...rest] = argv;
  if (command === undefined || argv.includes('--help') || argv.includes('-h')) return 'help';
  if (command === '--version' || command === '-v') return 'version';
  if (command === 'serve') return serveSettings(rest);
  if (command === 'gc') return collectSettings(rest);
  throw refuse(`unknown command "${command}": there are serve and gc`);
}

function serveSettings(args: readonly string[]): ServeSettings {
  const flags = parse(args, SERVE);
  const logLevel = LOG_LEVELS.find((level) => level === flags['log-level']);
  if (!logLevel) throw refuse(`unknown log level "${flags['log-level']}": there are ${LOG_LEVELS.join(', ')}`);
  const local = flags.local === undefined ? undefined : { address: flags.local, namespace: flags.namespace };
  const access = accessOf(flags);
  if (local && flags.root !== undefined) throw refuse('--local and --root exclude each other: a registry has one source');
  if (local && flags.proxy !== undefined) throw refuse('--local and --proxy exclude each other: a registry has one source');
  if (local && access.kind === 'own-tokens') throw refuse('--local has no store to keep a key for tokens in: use --htpasswd alone');
  return {
    command: 'serve',
    root: local ? undefined : rootOf(flags.root),
    local,
    listen: parseAddress(flags.listen),
    tls: tlsOf(flags['tls-cert'], flags['tls-key'], flags['tls-client-ca']),
    access,
    readOnly: flags['read-only'] || flags.proxy !== undefined || local !== undefined,
    publicUrl: flags['public-url'] === undefined ? undefined : parseUrl('--public-url', flags['public-url']).href.replace(/\/$/, ''),
    proxy: flags.proxy === undefined ? undefined : proxyOf(flags.proxy, flags),
    uploadLife: parseDuration('--upload-life', flags['upload-life']),
    logLevel,
    traceDir: flags['trace-dir'] === undefined ? undefined : resolve(flags['trace-dir']),
  };
}

function collectSettings(args: readonly string[]): CollectSettings {
  const flags = parse(args, COLLECT);
  return {
    command: 'gc',
    root: rootOf(flags.root),
    dryRun: flags['dry-run'],
    deleteUntagged: flags['delete-untagged'],
    grace: parseDuration('--grace', flags.grace),
  };
}

interface AccessFlags {
  htpasswd?: string;
  'anonymous-pull': boolean;
  token: boolean;
  'token-realm'?: string;
  'token-service': string;
  'token-key'?: string;
  'token-issuer'?: string;
}

function accessOf(flags: AccessFlags): AccessSettings {
  const service = flags['token-service'];
  if (!/^[\w.:/-]{1,255}$/.test(service)) throw refuse('--token-service is a plain name, such as registry.example.com');
  if (flags['token-realm'] !== undefined) {
    if (flags.htpasswd !== undefined) throw refuse('--token-realm and --htpasswd exclude each other: users are the token server’s');
    if (flags['token-key'] === undefined) throw refuse('--token-realm needs --token-key, with which tokens are checked');
    const realm = parseUrl('--token-realm', flags['token-realm']).href;
    return { kind: 'tokens', realm, service, issuer: flags['token-issuer'], keyPath: resolve(flags['token-key']) };
  }
  for (const flag of ['token-key', 'token-issuer'] as const) if (flags[flag] !== undefined) throw refuse(`--${flag} needs --token-realm`);
  const own = flags.token || flags['anonymous-pull'];
  if (flags.htpasswd === undefined) {
    if (own) throw refuse('--token and --anonymous-pull need --htpasswd: who may do more than everybody');
    return { kind: 'open' };
  }
  const htpasswdPath = resolve(flags.htpasswd);
  return own ? { kind: 'own-tokens', htpasswdPath, anonymousPull: flags['anonymous-pull'], service } : { kind: 'basic', htpasswdPath };
}

function tlsOf(cert: string | undefined, key: string | undefined, clientCa: string | undefined): ServeSettings['tls'] {
  if (cert === undefined && key === undefined) {
    if (clientCa !== undefined) throw refuse('--tls-client-ca needs --tls-cert and --tls-key');
    return undefined;
  }
  if (cert === undefined || key === undefined) throw refuse('--tls-cert and --tls-key go together');
  return { certPath: resolve(cert), keyPath: resolve(key), clientCaPath: clientCa === undefined ? undefined : resolve(clientCa) };
}

function proxyOf(url: string, flags: { 'proxy-username'?: string; 'proxy-password-file'?: string; 'proxy-ca'?: string }): ProxySettings {
  const { 'proxy-username': username, 'proxy-password-file': passwordFile, 'proxy-ca': ca } = flags;
  if ((username === undefined) !== (passwordFile === undefined)) throw refuse('--proxy-username and --proxy-password-file go together');
  const password = passwordFile === undefined ? undefined : readText(passwordFile).replace(/\r?\n$/, '');
  return { url: parseUrl('--proxy', url), username, password, caPath: ca === undefined ? undefined : resolve(ca) };
}

/** The text of a file that a flag names. */
export function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new EngineError('InvalidArgument', `cannot read ${path}: ${(cause as Error).message}`, { layer: 'registry', cause });
  }
}

function parse<T extends Options>(args: readonly string[], options: T) {
  try {
    return parseArgs({ args: [...args], options, strict: true, allowPositionals: false }).values;
  } catch (error) {
    throw refuse((error as Error).message);
  }
}

function rootOf(root: string | undefined): string {
  if (!root) throw refuse('--root is missing: the directory of the store');
  return resolve(root);
}

function parseAddress(text: string): { host: string; port: number } {
  const match = /^(?:\[([0-9a-fA-F:]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (!match || port > 65_535) throw refuse(`--listen ${text} is not HOST:PORT, such as 127.0.0.1:5000 or [::]:5000`);
  return { host: match[1] ?? (match[2] || '::'), port };
}

function parseUrl(flag: string, text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !['http:', 'https:'].includes(url.protocol) || url.username !== '')
    throw refuse(`${flag} ${text} is not an http or https URL without user and password`);
  return url;
}

/** Milliseconds. */
function parseDuration(flag: string, text: string): number {
  const match = /^(\d{1,6})(s|m|h|d)$/.exec(text);
  if (!match) throw refuse(`${flag} ${text} is no duration, such as 90s, 30m, 1h or 7d`);
  return Number(match[1]) * { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }[match[2] as 's' | 'm' | 'h' | 'd'];
}

function refuse(message: string): EngineError {
  return new EngineError('InvalidArgument', `${message} (berth-registry --help)`, { layer: 'registry' });
}
