// `berth network create`
import type { IpamConfig } from '@berth/api/network';
import { createNetwork } from '@berth/client/networks/create';
import type { Command } from '../command.ts';
import { UsageError } from '../exit.ts';
import type { Arguments } from '../parse.ts';
import { labelsOf, pair } from '../run-flags/environment.ts';

export const command: Command = {
  usage: 'network create [OPTIONS] NETWORK',
  description: 'Create a network',
  flags: {
    attachable: { type: 'boolean', description: 'Enable manual container attachment' },
    'aux-address': { type: 'string', array: true, description: 'Auxiliary IPv4 or IPv6 addresses used by Network driver' },
    driver: { type: 'string', alias: 'd', description: 'Driver to manage the Network', default: 'bridge' },
    gateway: { type: 'string', array: true, description: 'IPv4 or IPv6 Gateway for the master subnet' },
    internal: { type: 'boolean', description: 'Restrict external access to the network' },
    'ip-range': { type: 'string', array: true, description: 'Allocate container ip from a sub-range' },
    'ipam-driver': { type: 'string', description: 'IP Address Management Driver', default: 'default' },
    'ipam-opt': { type: 'string', array: true, description: 'Set IPAM driver specific options' },
    ipv6: { type: 'boolean', description: 'Enable or disable IPv6 address assignment' },
    label: { type: 'string', array: true, description: 'Set metadata on a network' },
    opt: { type: 'string', array: true, alias: 'o', description: 'Set driver specific options' },
    subnet: { type: 'string', array: true, description: 'Subnet in CIDR format that represents a network segment' },
  },
  arguments: { min: 1, max: 1 },
  async run(context, args) {
    const { Id } = await createNetwork(context.engine, {
      Name: args.positional[0] as string,
      Driver: args.string('driver') ?? 'bridge',
      Attachable: args.boolean('attachable'),
      Internal: args.boolean('internal'),
      ...(args.given('ipv6') ? { EnableIPv6: args.boolean('ipv6') } : {}),
      IPAM: {
        Driver: args.string('ipam-driver') ?? 'default',
        Options: Object.fromEntries(args.list('ipam-opt').map((text) => pair(text))),
        Config: subnetsOf(args),
      },
      Options: Object.fromEntries(args.list('opt').map((text) => pair(text))),
      Labels: labelsOf(args.list('label')),
    });
    context.print(Id);
  },
};

/** Gateways, ranges and auxiliary addresses belong to the subnet that they are in, which the daemon can tell; the client pairs by order. */
function subnetsOf(args: Arguments): IpamConfig[] {
  const subnets = args.list('subnet');
  const gateways = args.list('gateway');
  const ranges = args.list('ip-range');
  if (ranges.length > Math.max(subnets.length, 1) || gateways.length > Math.max(subnets.length, 1)) {
    throw new UsageError('every ip-range or gateway must have a corresponding subnet', 1);
  }
  const auxiliary = Object.fromEntries(args.list('aux-address').map((text) => pair(text)));
  const count = Math.max(subnets.length, ranges.length, gateways.length);
  return Array.from({ length: count }, (_, at) => ({
    ...(subnets[at] ? { Subnet: subnets[at] } : {}),
    ...(ranges[at] ? { IPRange: ranges[at] } : {}),
    ...(gateways[at] ? { Gateway: gateways[at] } : {}),
    ...(at === 0 && Object.keys(auxiliary).length > 0 ? { AuxiliaryAddresses: auxiliary } : {}),
  }));
}
