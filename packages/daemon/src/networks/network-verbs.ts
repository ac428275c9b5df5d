// Making and removing networks, and connecting containers that do not run: records and events around the drivers.
import type { Filters } from '@berth/api/filters';
import type { EndpointSettings, NetworkCreateRequest, NetworkResource } from '@berth/api/network';
import { EngineError } from '@berth/errdefs/engine-error';
import type { Network, NetworkRecord } from '@berth/network/driver';
import { parseCidr } from '@berth/network/ip';
import type { Container } from '../containers/container.ts';
import type { ContainerContext } from '../containers/context.ts';
import { attachNetworks, endpointRequest } from '../containers/networking/connect-networks.ts';
import { changeNames } from '../containers/networking/name-service.ts';
import type { RecordStore } from '../state/database.ts';
import { describeNetwork } from './describe.ts';

export const NETWORK_FILTERS = ['dangling', 'driver', 'id', 'label', 'name', 'scope', 'type'] as const;
export const NETWORK_PRUNE_FILTERS = ['label', 'label!', 'until'] as const;
const PREDEFINED = new Set(['bridge', 'host', 'none']);

export class NetworkVerbs {
  readonly #context: ContainerContext;
  readonly #records: RecordStore<NetworkRecord>;

  constructor(context: ContainerContext, records: RecordStore<NetworkRecord>) {
    this.#context = context;
    this.#records = records;
  }

  list(filters: Filters): NetworkResource[] {
    const dangling = filters.boolean('dangling');
    return this.#context.networks
      .list()
      .filter(
        (network) =>
          filters.some('id', (wanted) => network.record.id.startsWith(wanted)) &&
          filters.fuzzy('name', network.record.name) &&
          filters.exact('driver', network.record.driver) &&
          filters.exact('scope', 'local') &&
          filters.labels('label', network.record.labels) &&
          filters.exact('type', PREDEFINED.has(network.record.name) ? 'builtin' : 'custom') &&
          (dangling === undefined || (!PREDEFINED.has(network.record.name) && this.#users(network).length === 0) === dangling),
      )
      .map((network) => describeNetwork(network, { containers: false }));
  }

  inspect(reference: string): NetworkResource {
    return describeNetwork(this.#context.networks.get(reference), { containers: true });
  }

  create(request: NetworkCreateRequest): NetworkRecord {
    if (!request.Name) throw new EngineError('InvalidArgument', 'invalid name: name is empty', { layer: 'daemon' });
    if (PREDEFINED.has(request.Name)) {
      throw new EngineError('PermissionDenied', `operation is not permitted on predefined ${request.Name} network `, { layer: 'daemon' });
    }
    checkSubnets(request);
    const subnets = (request.IPAM?.Config ?? []).map(({ Subnet, Gateway, IPRange }) => ({
      ...(Subnet ? { subnet: Subnet } : {}),
      ...(Gateway ? { gateway: Gateway } : {}),
      ...(IPRange ? { range: IPRange } : {}),
    }));
    const { record } = this.#context.networks.create({
      name: request.Name,
      driver: request.Driver || 'bridge',
      internal: request.Internal === true,
      enableIpv6: request.EnableIPv6 === true,
      subnets,
      options: request.Options ?? {},
      labels: request.Labels ?? {},
    });
    try {
      this.#records.put(record.id, record);
    } catch (error) {
      this.#context.networks.remove(record.id);
      throw error;
    }
    this.#context.events.emit('network', 'create', record.id, { name: record.name, type: record.driver });
    return record;
  }

  remove(reference: string): void {
    const { record } = this.#context.networks.remove(reference);
    this.#records.delete(record.id);
    this.#context.events.emit('network', 'destroy', record.id, { name: record.name, type: record.driver });
  }

  prune(filters: Filters): string[] {
    const unused = this.#context.networks
      .list()
      .filter((network) => !PREDEFINED.has(network.record.name) && this.#users(network).length === 0)
      .filter(
        ({ record }) => filters.labels('label', record.labels) && (!filters.has('label!') || !filters.labels('label!', record.labels)),
      );
    for (const { record } of unused) this.remove(record.id);
    this.#context.events.emit('network', 'prune', '', { reclaimed: '0' });
    return unused.map(({ record }) => record.name);
  }

  /** A running container gets its interface at once. */
  async connect(reference: string, container: Container, settings: EndpointSettings): Promise<void> {
    const network = this.#context.networks.get(reference);
    const { name, id, driver } = network.record;
    await container.lock.run(() => {
      const { record } = container;
      if (driver === 'host' || record.hostConfig.NetworkMode === 'host') {
        throw new EngineError(
          'InvalidArgument',
          'cannot connect container to host network - container must be created in host network mode',
          { layer: 'daemon' },
        );
      }
      if (record.hostConfig.NetworkMode?.startsWith('container:')) {
        throw new EngineError(
          'InvalidArgument',
          'container sharing network namespace with another container or host cannot be connected to any other network',
          { layer: 'daemon' },
        );
      }
      if (record.networks[name]) {
        throw new EngineError('PermissionDenied', `endpoint with name ${record.name} already exists in network ${name}`, {
          layer: 'daemon',
        });
      }
      if (container.running) {
        const endpoint = network.allocate(endpointRequest(container, settings, false));
        try {
          attachNetworks(container, [endpoint], record.state.pid);
        } catch (error) {
          endpoint.release();
          throw error;
        }
        record.endpoints = [...record.endpoints, endpoint.record];
        changeNames(this.#context, container);
      }
      record.networks[name] = settings;
      container.save();
      this.#context.events.emit('network', 'connect', id, { container: container.id, name, type: driver });
    });
  }

  async disconnect(reference: string, container: Container): Promise<void> {
    const network = this.#context.networks.get(reference);
    const { name, id, driver } = network.record;
    await container.lock.run(() => {
      const { record } = container;
      if (driver === 'host') {
        throw new EngineError('InvalidArgument', 'container cannot be disconnected from host network or connected to host network', {
          layer: 'daemon',
        });
      }
      if (!record.networks[name]) {
        throw new EngineError('PermissionDenied', `container ${container.id} is not connected to network ${name}`, { layer: 'daemon' });
      }
      const endpoint = network.endpoints.get(container.id);
      endpoint?.detach();
      record.endpoints = record.endpoints.filter((one) => one.networkId !== id);
      delete record.networks[name];
      if (container.running) changeNames(this.#context, container);
      container.save();
      this.#context.events.emit('network', 'disconnect', id, { container: container.id, name, type: driver });
    });
  }

  /** Containers that name the network, running or not. */
  #users(network: Network): readonly Container[] {
    return this.#context.store.all().filter((container) => container.record.networks[network.record.name] !== undefined);
  }
}

/** Throws InvalidArgument that names everything which is no subnet, in moby's words (api/types/network/ipam.go). */
function checkSubnets({ IPAM }: NetworkCreateRequest): void {
  const wrong = (IPAM?.Config ?? []).flatMap(({ Subnet, IPRange }) => [
    ...(Subnet && !isCidr(Subnet) ? [`invalid subnet ${Subnet}: invalid CIDR block notation`] : []),
    ...(IPRange && !isCidr(IPRange) ? [`invalid ip-range ${IPRange}: invalid CIDR block notation`] : []),
  ]);
  if (wrong.length > 0) throw new EngineError('InvalidArgument', `invalid network config:\n${wrong.join('\n')}`, { layer: 'daemon' });
}

function isCidr(text: string): boolean {
  try {
    parseCidr(text);
    return true;
  } catch {
    return false;
  }
}
