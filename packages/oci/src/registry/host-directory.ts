// Registry hosts from a directory, `<directory>/<host>[_<port>_ or :<port>]/hosts.toml`, in containerd's format (its docs/hosts.md),
// or certificates alone as dockerd keeps them in certs.d: `*.crt` are authorities, `x.cert` with `x.key` a client's pair.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { EngineError } from '@berth/errdefs/engine-error';
import { isTable, parseToml, type TomlTable, type TomlValue } from '../toml.ts';
import { ConfiguredHosts, defaultHost, type HostSource, isLoopback, type RegistryHost, type TlsOptions } from './host.ts';

export class HostDirectory implements HostSource {
  readonly #directories: readonly string[];
  readonly #defaults = new ConfiguredHosts();

  /** Several directories are separated by colons; the first one that knows a host is used for it. */
  constructor(directories: string) {
    this.#directories = directories.split(':').filter(Boolean);
  }

  async hostsFor(domain: string): Promise<readonly RegistryHost[]> {
    const names = [domain, domain.replace(/:(\d+)$/, '_$1_'), '_default'];
    const directory = this.#directories.flatMap((root) => names.map((name) => join(root, name))).find((path) => existsSync(path));
    if (directory === undefined) return this.#defaults.hostsFor(domain);
    const file = join(directory, 'hosts.toml');
    if (existsSync(file)) return hostsOf(domain, directory, parseToml(readFileSync(file, 'utf8'), file));
    return [defaultHost(domain, { tls: { ...defaultHost(domain).tls, ...certificatesIn(directory) } })];
  }
}

/** The certificates for one host of a certs.d directory; undefined when it has none. */
export function certificatesOf(root: string, host: string): TlsOptions | undefined {
  const directory = join(root, host);
  return existsSync(directory) ? certificatesIn(directory) : undefined;
}

function hostsOf(domain: string, directory: string, file: TomlTable): RegistryHost[] {
  const server = typeof file.server === 'string' ? file.server : `https://${defaultHost(domain).host}`;
  const mirrors = Object.entries(tableOf(file.host)).map(([url, settings]) => hostOf(url, directory, tableOf(settings)));
  // The root's own settings are the upstream server's.
  return [...mirrors, hostOf(server, directory, file)];
}

function hostOf(address: string, directory: string, settings: TomlTable): RegistryHost {
  const url = new URL(/^https?:\/\//.test(address) ? address : `https://${address}`);
  const base = url.pathname.replace(/\/+$/, '');
  const capabilities = settings.capabilities;
  const may = (name: string) => !Array.isArray(capabilities) || capabilities.includes(name);
  const skipVerify = settings.skip_verify === true;
  return {
    ...defaultHost(url.host),
    host: url.host,
    scheme: url.protocol === 'http:' ? 'http' : 'https',
    path: settings.override_path === true || base.endsWith('/v2') ? base : `${base}/v2`,
    plainFallback: skipVerify || isLoopback(url.host),
    tls: { ...tlsOf(directory, settings), ...(skipVerify || isLoopback(url.host) ? { skipVerify: true } : {}) },
    headers: Object.fromEntries(
      Object.entries(tableOf(settings.header)).map(([name, value]) => [name, [value].flat().map(String).join(', ')]),
    ),
    may: { pull: may('pull'), resolve: may('resolve'), push: may('push') },
  };
}

function tlsOf(directory: string, settings: TomlTable): TlsOptions {
  const read = (path: TomlValue) => readFileSync(isAbsolute(String(path)) ? String(path) : join(directory, String(path)), 'utf8');
  const ca = settings.ca === undefined ? {} : { ca: [settings.ca].flat().map(read) };
  const client = settings.client;
  const pair = Array.isArray(client) ? client.flat() : client === undefined ? [] : [client];
  if (pair.length === 0) return ca;
  const [cert, key = cert] = pair;
  return { ...ca, cert: read(cert as TomlValue), key: read(key as TomlValue) };
}

function certificatesIn(directory: string): TlsOptions {
  const names = readdirSync(directory);
  const read = (name: string) => readFileSync(join(directory, name), 'utf8');
  const authorities = names.filter((name) => name.endsWith('.crt')).map(read);
  const certificate = names.find((name) => name.endsWith('.cert'));
  const options: TlsOptions = authorities.length === 0 ? {} : { ca: authorities };
  if (certificate === undefined) return options;
  const key = certificate.replace(/\.cert$/, '.key');
  if (!names.includes(key))
    throw new EngineError('InvalidArgument', `missing key ${key} for client certificate ${certificate} in ${directory}`);
  return { ...options, cert: read(certificate), key: read(key) };
}

function tableOf(value: TomlValue | undefined): TomlTable {
  return isTable(value) ? value : {};
}
