// The part of GET /info that tells how registries are spoken to.
import type { InfoResponse } from '@berth/api/system';
import { DEFAULT_DOMAIN } from '@berth/oci/reference';
import { mirrorOf } from '@berth/oci/registry/host';
import type { Config } from '../config/config.ts';

export function registryConfig({ insecure, mirrors }: Config['registry']): InfoResponse['RegistryConfig'] {
  const hosts = insecure.filter((entry) => !entry.includes('/'));
  const mirrored = mirrors.map(mirrorOf);
  const names = new Set([DEFAULT_DOMAIN, ...hosts, ...mirrored.map(({ domain }) => domain)]);
  const mirrorsOf = (name: string) =>
    mirrored.filter(({ domain }) => domain === name).map(({ url }) => (url.endsWith('/') ? url : `${url}/`));
  const entry = (Name: string) => ({
    Name,
    Mirrors: mirrorsOf(Name),
    Secure: !hosts.includes(Name),
    Official: Name === DEFAULT_DOMAIN,
  });
  return {
    InsecureRegistryCIDRs: ['::1/128', '127.0.0.0/8', ...insecure.filter((range) => range.includes('/'))],
    IndexConfigs: Object.fromEntries([...names].map((name) => [name, entry(name)])),
    Mirrors: mirrorsOf(DEFAULT_DOMAIN),
  };
}
