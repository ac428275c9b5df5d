// The networks without interfaces of their own: `host`, where the container shares the host's namespace, and `none`, where it has
// a loopback and nothing else.
import { randomBytes } from 'node:crypto';
import { closeSync } from 'node:fs';
import { EngineError } from '@berth/errdefs/engine-error';
import { LOOPBACK_INDEX, setLinkUp } from '@berth/sys/netlink/link';
import { NETLINK_ROUTE, NetlinkSocket } from '@berth/sys/netlink/socket';
import { inNetworkNamespace, openNetworkNamespace } from '@berth/sys/network-namespace';
import type { Endpoint, EndpointRecord, EndpointRequest, Network, NetworkNamespace, NetworkRecord } from './driver.ts';

export class PlainNetwork implements Network {
  readonly record: NetworkRecord & { driver: 'host' | 'null' };
  readonly #endpoints = new Map<string, Endpoint>();

  constructor(record: NetworkRecord & { driver: 'host' | 'null' }) {
    this.record = record;
  }

  get endpoints(): ReadonlyMap<string, Endpoint> {
    return this.#endpoints;
  }

  /** Ports are not published here: on the host's network they need it not, and `none` is reached by nobody. */
  allocate(request: EndpointRequest): Endpoint {
    if (request.ipv4Address || request.ipv6Address) {
      const message = 'user specified IP address is supported on user defined networks only';
      throw new EngineError('InvalidArgument', message, { layer: 'network' });
    }
    return this.#keep({
      endpointId: randomBytes(32).toString('hex'),
      networkId: this.record.id,
      networkName: this.record.name,
      containerId: request.containerId,
      containerName: request.containerName,
      macAddress: '',
      ports: [],
      aliases: [],
      hostInterface: '',
      containerInterface: '',
    });
  }

  restore(records: readonly EndpointRecord[]): Endpoint[] {
    return records.map((record) => this.#keep({ ...record }));
  }

  close(): void {
    this.#endpoints.clear();
  }

  remove(): void {
    throw new EngineError('PermissionDenied', `${this.record.name} is a pre-defined network and cannot be removed`, { layer: 'network' });
  }

  #keep(record: EndpointRecord): Endpoint {
    const release = () => {
      this.#endpoints.delete(record.containerId);
    };
    const attach = this.record.driver === 'host' ? () => {} : raiseLoopback;
    const endpoint: Endpoint = { record, attach, release, detach: release };
    this.#endpoints.set(record.containerId, endpoint);
    return endpoint;
  }
}

function raiseLoopback(namespace: NetworkNamespace): void {
  const fd = 'fd' in namespace ? namespace.fd : openNetworkNamespace(namespace.pid);
  try {
    using socket = inNetworkNamespace(fd, () => new NetlinkSocket(NETLINK_ROUTE));
    socket.transact([setLinkUp(LOOPBACK_INDEX)]);
  } finally {
    if (!('fd' in namespace)) closeSync(fd);
  }
}
