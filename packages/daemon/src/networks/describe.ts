// A network as the Engine API shows it.
import type { NetworkContainer, NetworkResource } from '@berth/api/network';
import type { Endpoint, Network } from '@berth/network/driver';

export function describeNetwork(network: Network, options: { containers: boolean }): NetworkResource {
  const { record } = network;
  const endpoints = options.containers ? [...network.endpoints.values()] : [];
  return {
    Name: record.name,
    Id: record.id,
    Created: record.created,
    Scope: 'local',
    Driver: record.driver,
    EnableIPv4: true,
    EnableIPv6: record.enableIpv6,
    IPAM: {
      Driver: 'default',
      Options: null,
      Config: record.subnets.map((subnet) => ({
        Subnet: subnet.subnet,
        ...(subnet.range ? { IPRange: subnet.range } : {}),
        Gateway: subnet.gateway,
      })),
    },
    Internal: record.internal,
    Attachable: false,
    Ingress: false,
    ConfigFrom: { Network: '' },
    ConfigOnly: false,
    Containers: Object.fromEntries(endpoints.map((endpoint) => [endpoint.record.containerId, describeEndpoint(endpoint)])),
    Options: record.options,
    Labels: record.labels,
  };
}

function describeEndpoint({ record }: Endpoint): NetworkContainer {
  return {
    Name: record.containerName,
    EndpointID: record.endpointId,
    MacAddress: record.macAddress,
    IPv4Address: record.ipv4 ? `${record.ipv4.address}/${record.ipv4.prefixLength}` : '',
    IPv6Address: record.ipv6 ? `${record.ipv6.address}/${record.ipv6.prefixLength}` : '',
  };
}
