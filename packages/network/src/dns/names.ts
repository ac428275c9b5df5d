// Which names a container can look up: those of the containers that share a user-defined network with it. A container is known
// there by its name, the first twelve digits of its id, and its aliases; with the network's name behind a dot, too.
import type { EndpointRecord, NetworkRecord } from '../driver.ts';

/** What is needed of a network here. */
export interface NamedNetwork {
  readonly record: Pick<NetworkRecord, 'name' | 'internal'>;
  readonly endpoints: ReadonlyMap<string, { readonly record: NamedEndpoint }>;
}

export type NamedEndpoint = Pick<EndpointRecord, 'containerName' | 'containerId' | 'aliases' | 'ipv4' | 'ipv6'>;

const SHORT_ID = 12;

export class Names {
  readonly #networks: () => readonly NamedNetwork[];

  /** `networks` are the container's own at the time of the question. */
  constructor(networks: () => readonly NamedNetwork[]) {
    this.#networks = networks;
  }

  /** The addresses behind a name; empty where it has none of that version, undefined where nobody is called so. */
  lookup(name: string, version: 4 | 6): string[] | undefined {
    const wanted = name.toLowerCase();
    let known = false;
    const found: string[] = [];
    for (const { record: network, endpoints } of this.#networks()) {
      const suffix = `.${network.name.toLowerCase()}`;
      const host = wanted.endsWith(suffix) ? wanted.slice(0, -suffix.length) : wanted;
      for (const { record } of endpoints.values()) {
        const names = [record.containerName, record.containerId.slice(0, SHORT_ID), ...record.aliases];
        if (!names.some((own) => own.toLowerCase() === host || own.toLowerCase() === wanted)) continue;
        known = true;
        const address = (version === 4 ? record.ipv4 : record.ipv6)?.address;
        if (address !== undefined) found.push(address);
      }
    }
    return known ? found : undefined;
  }

  /** `name.network` of the container that has an address. */
  reverse(address: string): string | undefined {
    for (const { record: network, endpoints } of this.#networks()) {
      for (const { record } of endpoints.values()) {
        if (record.ipv4?.address === address || record.ipv6?.address === address) return `${record.containerName}.${network.name}`;
      }
    }
    return undefined;
  }

  /** Whether questions about other names may leave: not from networks that are all internal. */
  get external(): boolean {
    return this.#networks().some(({ record }) => !record.internal);
  }
}
