// `berth network connect`
import type { EndpointSettings } from '@berth/api/network';
import { connectNetwork } from '@berth/client/networks/connect';
import type { Command } from '../command.ts';
import { pair } from '../run-flags/environment.ts';

export const command: Command = {
  usage: 'network connect [OPTIONS] NETWORK CONTAINER',
  description: 'Connect a container to a network',
  flags: {
    alias: { type: 'string', array: true, description: 'Add network-scoped alias for the container' },
    'driver-opt': { type: 'string', array: true, description: 'driver options for the network' },
    ip: { type: 'string', description: 'IPv4 address (e.g., "172.30.100.104")' },
    ip6: { type: 'string', description: 'IPv6 address (e.g., "2001:db8::33")' },
    link: { type: 'string', array: true, description: 'Add link to another container' },
    'link-local-ip': { type: 'string', array: true, description: 'Add a link-local address for the container' },
  },
  arguments: { min: 2, max: 2 },
  async run(context, args) {
    const [network, container] = args.positional as [string, string];
    const settings: EndpointSettings = { Aliases: args.list('alias'), Links: args.list('link') };
    if (args.given('driver-opt')) settings.DriverOpts = Object.fromEntries(args.list('driver-opt').map((text) => pair(text)));
    if (args.given('ip') || args.given('ip6') || args.given('link-local-ip')) {
      settings.IPAMConfig = {
        IPv4Address: args.string('ip') ?? '',
        IPv6Address: args.string('ip6') ?? '',
        LinkLocalIPs: args.list('link-local-ip'),
      };
    }
    await connectNetwork(context.engine, network, { Container: container, EndpointConfig: settings });
  },
};
