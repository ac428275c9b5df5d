// The daemon's registry settings (--insecure-registry, --registry-mirror, certs.d) told to the lifecycle service in its own language:
// a directory of hosts.toml files, written when a registry is first used.
import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseReference } from '@berth/oci/reference';
import { ConfiguredHosts, type HostSource, type RegistryHost } from '@berth/oci/registry/host';
import { HostDirectory } from '@berth/oci/registry/host-directory';
import type { Config } from '../config/config.ts';

/** Where administrators keep the certificates of registries. */
const CERTIFICATE_DIRECTORIES = ['/etc/berth/certs.d', '/etc/docker/certs.d'];

export class RegistryHosts implements HostSource {
  readonly #configured: ConfiguredHosts;
  readonly #options: Config['registry'];
  readonly #directory: string;

  constructor(options: Config['registry'], execRoot: string) {
    this.#configured = new ConfiguredHosts(options);
    this.#options = options;
    this.#directory = join(execRoot, 'registry-hosts');
  }

  /** For requests that the daemon makes itself. */
  async hostsFor(domain: string): Promise<readonly RegistryHost[]> {
    const certificates = certificatesOf(domain);
    return certificates === undefined || (await this.#isConfigured(domain))
      ? this.#configured.hostsFor(domain)
      : new HostDirectory(certificates).hostsFor(domain);
  }

  /** The directory to name in a transfer of `reference`; '' when nothing is special about its registry. */
  async directoryFor(reference: string): Promise<string> {
    const { domain } = parseReference(reference);
    if (!(await this.#isConfigured(domain))) return certificatesOf(domain) ?? '';
    const directory = join(this.#directory, domain);
    mkdirSync(directory, { recursive: true });
    const path = join(directory, 'hosts.toml');
    writeFileSync(`${path}.new`, hostsFile(await this.#configured.hostsFor(domain)));
    renameSync(`${path}.new`, path);
    return this.#directory;
  }

  async #isConfigured(domain: string): Promise<boolean> {
    if (this.#options.insecure.length === 0 && this.#options.mirrors.length === 0) return false;
    const [plain] = await new ConfiguredHosts().hostsFor(domain);
    const hosts = await this.#configured.hostsFor(domain);
    return hosts.length > 1 || hosts[0]?.plainFallback !== plain?.plainFallback;
  }
}

function certificatesOf(domain: string): string | undefined {
  return CERTIFICATE_DIRECTORIES.find((directory) => existsSync(join(directory, domain)));
}

function hostsFile(hosts: readonly RegistryHost[]): string {
  const upstream = hosts.at(-1) as RegistryHost;
  const lines = [`server = "${upstream.scheme}://${upstream.host}"`, ...(upstream.tls.skipVerify ? ['skip_verify = true'] : [])];
  for (const mirror of hosts.slice(0, -1)) {
    lines.push(
      `[host."${mirror.scheme}://${mirror.host}${mirror.path}"]`,
      '  capabilities = ["pull", "resolve"]',
      '  override_path = true',
    );
    if (mirror.tls.skipVerify) lines.push('  skip_verify = true');
  }
  return `${lines.join('\n')}\n`;
}
