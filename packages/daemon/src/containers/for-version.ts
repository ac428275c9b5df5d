// Containers as clients of older versions expect to find them (moby's api/docs/CHANGELOG: 1.45, 1.46).
import type { ContainerInspect, ContainerSummary } from '@berth/api/container';
import type { EndpointSettings } from '@berth/api/network';
import type { Speaks } from '../server/request.ts';

/** Networks whose containers have no names there. */
const WITHOUT_NAMES = new Set(['default', 'bridge', 'host', 'none']);

export function summaryFor(speaks: Speaks, summary: ContainerSummary): ContainerSummary {
  const { NetworkMode, ...newer } = summary.HostConfig;
  return speaks('1.46') ? summary : { ...summary, HostConfig: newer.Annotations ? { NetworkMode } : summary.HostConfig };
}

/** Up to 1.44 the names that a network gives a container were among its aliases. */
export function inspectFor(speaks: Speaks, inspect: ContainerInspect): ContainerInspect {
  if (speaks('1.45')) return inspect;
  const given = [inspect.Id.slice(0, 12), inspect.Config.Hostname ?? ''];
  const withNames = (endpoint: EndpointSettings) => ({ ...endpoint, Aliases: [...new Set([...(endpoint.Aliases ?? []), ...given])] });
  const Networks = Object.entries(inspect.NetworkSettings.Networks).map(([name, endpoint]) => {
    const shared = WITHOUT_NAMES.has(name) || name.startsWith('container:');
    return [name, shared ? endpoint : withNames(endpoint)] as const;
  });
  return { ...inspect, NetworkSettings: { ...inspect.NetworkSettings, Networks: Object.fromEntries(Networks) } };
}
