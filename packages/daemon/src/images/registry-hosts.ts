// The daemon's registry settings (--insecure-registry, --registry-mirror, certs.d) told to the lifecycle service in its own language:
// a directory of hosts.toml files, written when a registry is first used. A hosts.toml that an administrator put into certs.d says
// all there is to say of its registry; otherwise the flags choose the hosts, and certs.d has the certificates of each of them.
import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseReference } from '@berth/oci/reference';
import { ConfiguredHosts, type HostSource, matchesHost, type RegistryHost } from '@berth/oci/registry/host';
import { certificatesOf, HostDirectory } from '@berth/oci/registry/host-directory';
import type { TransferTerms } from '@berth/rpc/transfer-terms';
import type { Config } from '../config/config.ts';

/** Where administrators keep the certificates of registries. */
const CERTIFICATE_DIRECTORIES = ['/etc/berth/certs.d', '/etc/docker/certs.d'];

export class RegistryHosts implements HostSource {
  readonly #configured: ConfiguredHosts;
  readonly #options: Config['registry'];
  readonly #certificates: readonly string[];
  readonly #directory: string;

  constructor({ registry, execRoot }: Pick<Config, 'registry' | 'execRoot'>) {
    this.#configured = new ConfiguredHosts(registry);
    this.#options = registry;
    this.#certificates = [...registry.certificates, ...CERTIFICATE_DIRECTORIES];
    this.#directory = join(execRoot, 'registry-hosts');
  }

  /** For requests that the daemon makes itself. */
  async hostsFor(domain: string): Promise<readonly RegistryHost[]> {
    const described = this.#described(domain);
    if (described !== undefined) return new HostDirectory(described).hostsFor(domain);
    const hosts = await this.#configured.hostsFor(domain);
    return hosts.map((host, position) => {
      // Docker Hub's certificates are kept under its name, not under that of the machine that serves it.
      const name = position === hosts.length - 1 ? domain : host.host;
      const found = this.#certificates.map((directory) => certificatesOf(directory, name)).find((one) => one !== undefined);
      return { ...host, tls: { ...host.tls, ...found } };
    });
  }

  /** The directory to name in a transfer of `reference`; '' when nothing is special about its registry. */
  async directoryFor(reference: string): Promise<string> {
    const { domain } = parseReference(reference);
    const described = this.#described(domain);
    if (described !== undefined) return described;
    const hosts = await this.hostsFor(domain);
    if (JSON.stringify(hosts) === JSON.stringify(await new ConfiguredHosts().hostsFor(domain))) return '';
    const directory = join(this.#directory, domain);
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    this.#write(
      directory,
      'hosts.toml',
      hostsFile(hosts, (name, text) => this.#write(directory, name, text)),
    );
    return this.#directory;
  }

  /** What a transfer to or from the registry of `reference` is to keep to. `rate`: bytes a second that the client asks for. */
  terms(direction: 'pull' | 'push', reference: string, rate?: number): TransferTerms {
    const { maxDownloads, maxUploads, maxAttempts, limitRate, nondistributable } = this.#options;
    const parallel = direction === 'pull' ? maxDownloads : maxUploads;
    const slowest = Math.min(rate ?? Number.POSITIVE_INFINITY, limitRate ?? Number.POSITIVE_INFINITY);
    return {
      ...(parallel === undefined ? {} : { parallel }),
      ...(maxAttempts === undefined ? {} : { attempts: maxAttempts }),
      ...(slowest === Number.POSITIVE_INFINITY ? {} : { rate: slowest }),
      nondistributable: matchesHost(nondistributable, parseReference(reference).domain),
    };
  }

  #described(domain: string): string | undefined {
    return this.#certificates.find((directory) => existsSync(join(directory, domain, 'hosts.toml')));
  }

  /** Readable for root alone: keys are among them. The name of the file. */
  #write(directory: string, name: string, text: string): string {
    const path = join(directory, name);
    writeFileSync(`${path}.new`, text, { mode: 0o600 });
    renameSync(`${path}.new`, path);
    return name;
  }
}

function hostsFile(hosts: readonly RegistryHost[], keep: (name: string, text: string) => string): string {
  const settings = (host: RegistryHost, position: number, indent: string) => {
    const { ca, cert, key, skipVerify } = host.tls;
    return [
      ...(skipVerify ? ['skip_verify = true'] : []),
      ...(ca ? [`ca = ${JSON.stringify(ca.map((text, at) => keep(`${position}-ca-${at}.pem`, text)))}`] : []),
      ...(cert && key ? [`client = ${JSON.stringify([[keep(`${position}-cert.pem`, cert), keep(`${position}-key.pem`, key)]])}`] : []),
    ].map((line) => indent + line);
  };
  const upstream = hosts.at(-1) as RegistryHost;
  return [
    `server = "${upstream.scheme}://${upstream.host}"`,
    ...settings(upstream, hosts.length - 1, ''),
    ...hosts
      .slice(0, -1)
      .flatMap((mirror, position) => [
        `[host."${mirror.scheme}://${mirror.host}${mirror.path}"]`,
        '  capabilities = ["pull", "resolve"]',
        '  override_path = true',
        ...settings(mirror, position, '  '),
      ]),
    '',
  ].join('\n');
}
