// A container's /etc/hosts and /etc/hostname (hosts(5), hostname(5)).
import { EngineError } from '@berth/errdefs/engine-error';
import { tryParseIp } from './ip.ts';

export interface HostsFileOptions {
  hostname: string;
  domainname?: string;
  /** The container's own addresses, IPv4 first; none on the `none` network. */
  addresses?: readonly string[];
  /** Other containers by --link: address and names. */
  links?: readonly (readonly [address: string, names: string])[];
  /** --add-host: NAME:ADDRESS or NAME=ADDRESS. */
  extraHosts?: readonly string[];
  /** The address that `host-gateway` stands for: the bridge's, or dockerd's --host-gateway-ip. */
  hostGateway?: string;
}

const LOCAL = [
  ['127.0.0.1', 'localhost'],
  ['::1', 'localhost ip6-localhost ip6-loopback'],
  ['fe00::', 'ip6-localnet'],
  ['ff00::', 'ip6-mcastprefix'],
  ['ff02::1', 'ip6-allnodes'],
  ['ff02::2', 'ip6-allrouters'],
];

/** The file of a container with a network namespace of its own. */
export function containerHosts(options: HostsFileOptions): string {
  const { hostname, domainname } = options;
  const names = domainname
    ? `${hostname}.${domainname} ${hostname}`
    : hostname.includes('.')
      ? `${hostname} ${hostname.split('.')[0]}`
      : hostname;
  const own = (options.addresses ?? []).map((address) => [address, names]);
  return render([...LOCAL, ...extraHosts(options), ...(options.links ?? []), ...own]);
}

/** The host's file with the user's additions, for a container on the host's network. */
export function sharedHosts(host: string, options: Pick<HostsFileOptions, 'extraHosts' | 'hostGateway'>): string {
  const text = host === '' || host.endsWith('\n') ? host : `${host}\n`;
  return text + render(extraHosts(options));
}

export function hostnameFile(hostname: string): string {
  return `${hostname}\n`;
}

function extraHosts({ extraHosts = [], hostGateway }: Pick<HostsFileOptions, 'extraHosts' | 'hostGateway'>): [string, string][] {
  return extraHosts.map((entry) => {
    const [, name, value] = /^([^:=]+)[:=](.+)$/.exec(entry) ?? [];
    const address = value === 'host-gateway' ? hostGateway : value?.replace(/^\[(.*)\]$/, '$1');
    if (name === undefined || address === undefined || !tryParseIp(address)) {
      const message = value === 'host-gateway' ? 'unable to derive the IP value for host-gateway' : `bad format for add-host: "${entry}"`;
      throw new EngineError('InvalidArgument', message, { layer: 'network' });
    }
    return [address, name];
  });
}

function render(lines: readonly (readonly string[])[]): string {
  return lines.map(([address, names]) => `${address}\t${names}\n`).join('');
}
