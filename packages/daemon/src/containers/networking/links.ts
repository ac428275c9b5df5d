// `--link NAME[:ALIAS]`, from before networks had names of their own: the other container's address in this one's /etc/hosts.
import { EngineError, isKind } from '@berth/errdefs/engine-error';
import { isPredefined } from '@berth/network/networks';
import type { Container } from '../container.ts';
import type { ContainerContext } from '../context.ts';

/** Lines of /etc/hosts, address and names, as they are at the start. On the default bridge the other one has to be running by then. */
export function linkedHosts(context: ContainerContext, container: Container): [address: string, names: string][] {
  const { hostConfig, networks, name } = container.record;
  const asked = [hostConfig.Links ?? [], ...Object.values(networks).map(({ Links }) => Links ?? [])].flat();
  const strict = isPredefined(hostConfig.NetworkMode ?? 'bridge');
  return [...new Set(asked)].flatMap((link): [string, string][] => {
    const { target, alias } = parseLink(link);
    const other = context.store.get(target);
    const shared = other.record.endpoints.find(({ networkName }) => networks[networkName] !== undefined);
    const address = shared?.ipv4?.address ?? shared?.ipv6?.address;
    if (address !== undefined) return [[address, [...new Set([alias, other.record.config.Hostname, other.name])].join(' ')]];
    if (!strict) return [];
    throw new EngineError('InvalidArgument', `Cannot link to a non running container: /${other.name} AS /${name}/${alias}`, {
      layer: 'daemon',
    });
  });
}

/** Throws when one of the others is not there: better at the creation than at the start. */
export function checkLinks(context: ContainerContext, links: readonly string[] | null | undefined): void {
  for (const link of links ?? []) {
    const { target } = parseLink(link);
    try {
      context.store.get(target);
    } catch (cause) {
      const message = `could not get container for ${target}: ${(cause as Error).message}`;
      throw isKind(cause, 'NotFound') ? new EngineError('InvalidArgument', message, { layer: 'daemon', cause }) : cause;
    }
  }
}

function parseLink(link: string): { target: string; alias: string } {
  const [target = '', alias = target, ...more] = link.split(':');
  if (target === '' || alias === '' || more.length > 0) {
    throw new EngineError('InvalidArgument', `bad format for links: ${link}`, { layer: 'daemon' });
  }
  return { target: target.replace(/^\//, ''), alias: alias.slice(alias.lastIndexOf('/') + 1) };
}
