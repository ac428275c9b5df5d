// Where a reference's domain is served: the registry itself, mirrors before it, and how each is spoken to.
// Docker Hub's images are served by registry-1.docker.io; loopback registries may speak plain HTTP, as every engine allows.
import { EngineError } from '@berth/errdefs/engine-error';
import { DEFAULT_DOMAIN } from '../reference.ts';
import type { Patience } from './patience.ts';

export interface TlsOptions {
  /** PEM texts. */
  ca?: string[];
  cert?: string;
  key?: string;
  /** Accepts any certificate. */
  skipVerify?: boolean;
}

export interface RegistryHost {
  /** How long it may take; a minute for each step when not given. */
  patience?: Patience;
  /** Host and port, as dialled: registry-1.docker.io, localhost:5000. */
  readonly host: string;
  readonly scheme: 'https' | 'http';
  /** Path of the API, without slash at its end: `/v2`. */
  readonly path: string;
  /** When HTTPS is not answered, plain HTTP may be tried. */
  readonly plainFallback: boolean;
  readonly tls: TlsOptions;
  readonly headers: Readonly<Record<string, string>>;
  readonly may: { readonly pull: boolean; readonly resolve: boolean; readonly push: boolean };
}

/** Finds the hosts of a domain, best first; the registry itself is the last. */
export interface HostSource {
  hostsFor(domain: string): Promise<readonly RegistryHost[]>;
}

export function defaultHost(domain: string, changes: Partial<RegistryHost> = {}): RegistryHost {
  const host = domain === DEFAULT_DOMAIN ? 'registry-1.docker.io' : domain;
  return {
    host,
    scheme: 'https',
    path: '/v2',
    plainFallback: isLoopback(host),
    tls: isLoopback(host) ? { skipVerify: true } : {},
    headers: {},
    may: { pull: true, resolve: true, push: true },
    ...changes,
  };
}

/**
 * Hosts by dockerd's two options. Insecure registries need no valid certificate and no TLS. A mirror serves Docker Hub, as in dockerd,
 * or, written `quay.io=https://mirror.example`, another registry.
 */
export class ConfiguredHosts implements HostSource {
  readonly #insecure: readonly string[];
  readonly #mirrors: readonly string[];

  /** `insecure`: hosts or CIDR ranges; `mirrors`: URLs, those of other registries than Docker Hub after the registry and `=`. */
  constructor(options: { insecure?: readonly string[]; mirrors?: readonly string[] } = {}) {
    this.#insecure = options.insecure ?? [];
    this.#mirrors = options.mirrors ?? [];
  }

  async hostsFor(domain: string): Promise<readonly RegistryHost[]> {
    const mirrors = this.#mirrors.map(mirrorOf).filter((mirror) => mirror.domain === domain);
    return [...mirrors.map(({ url }) => this.#secured(mirrorHost(url))), this.#secured(defaultHost(domain), domain)];
  }

  #secured(host: RegistryHost, name = host.host): RegistryHost {
    return matchesHost(this.#insecure, name) ? { ...host, plainFallback: true, tls: { skipVerify: true } } : host;
  }
}

/** Whether a registry is one of `entries`: hosts by name, or ranges of addresses. */
export function matchesHost(entries: readonly string[], domain: string): boolean {
  return entries.some((entry) => entry === domain || (entry.includes('/') && isWithin(withoutPort(domain), entry)));
}

/** InvalidArgument for what is no mirror. */
export function mirrorOf(text: string): { domain: string; url: string } {
  const [, domain = DEFAULT_DOMAIN, url = ''] = /^(?:([^=/]+)=)?(.*)$/.exec(text) ?? [];
  if (/^https?:\/\/[^/?#]+[^?#]*$/.test(url) && URL.canParse(url)) return { domain, url };
  throw new EngineError(
    'InvalidArgument',
    `invalid mirror: ${text}: use https://HOST, or REGISTRY=https://HOST for other registries than Docker Hub`,
  );
}

export function isLoopback(host: string): boolean {
  const name = withoutPort(host);
  return name === 'localhost' || name === '::1' || /^127(\.\d{1,3}){3}$/.test(name);
}

function mirrorHost(url: string): RegistryHost {
  const parsed = new URL(url);
  return {
    ...defaultHost(parsed.host),
    scheme: parsed.protocol === 'http:' ? 'http' : 'https',
    path: `${parsed.pathname.replace(/\/$/, '')}/v2`,
    may: { pull: true, resolve: true, push: false },
  };
}

function withoutPort(host: string): string {
  const bracketed = /^\[([^\]]*)\]/.exec(host)?.[1];
  return bracketed ?? host.replace(/:\d+$/, '');
}

function isWithin(address: string, cidr: string): boolean {
  const [base = '', bits = ''] = cidr.split('/');
  const a = ipv4(address);
  const b = ipv4(base);
  const length = Number(bits);
  if (a === undefined || b === undefined || !Number.isInteger(length) || length < 0 || length > 32) return false;
  const size = 2 ** (32 - length);
  return Math.floor(a / size) === Math.floor(b / size);
}

function ipv4(text: string): number | undefined {
  const parts = text.split('.').map((part) => (/^\d{1,3}$/.test(part) ? Number(part) : Number.NaN));
  return parts.length === 4 && parts.every((part) => part <= 255) ? parts.reduce((sum, part) => sum * 256 + part, 0) : undefined;
}
