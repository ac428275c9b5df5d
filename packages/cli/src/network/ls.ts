// `berth network ls`
import { listNetworks } from '@berth/client/networks/list';
import type { Command } from '../command.ts';
import { filtersOf } from '../filter-flag.ts';
import { renderListing } from '../format/listing.ts';

export const command: Command = {
  usage: 'network ls [OPTIONS]',
  description: 'List networks',
  flags: {
    filter: { type: 'string', array: true, alias: 'f', description: 'Provide filter values (e.g. "driver=bridge")' },
    format: { type: 'string', description: "Format output: 'table', 'table TEMPLATE', 'json' or a Go template" },
    'no-trunc': { type: 'boolean', description: 'Do not truncate the output' },
    quiet: { type: 'boolean', alias: 'q', description: 'Only display network IDs' },
  },
  arguments: { min: 0, max: 0 },
  async run(context, args) {
    const networks = await listNetworks(context.engine, filtersOf(args, command.flags));
    const format = args.string('format') ?? context.config.networksFormat;
    const rows = networks
      .sort((a, b) => a.Name.localeCompare(b.Name))
      .map((network) => ({
        CreatedAt: network.Created,
        Driver: network.Driver,
        ID: args.boolean('no-trunc') ? network.Id : network.Id.slice(0, 12),
        IPv6: String(network.EnableIPv6),
        Internal: String(network.Internal),
        Labels: Object.entries(network.Labels ?? {})
          .map(([name, value]) => `${name}=${value}`)
          .join(','),
        Name: network.Name,
        Scope: network.Scope,
      }));
    const text = renderListing(
      {
        standard: 'table {{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}',
        headings: {
          ID: 'NETWORK ID',
          Name: 'NAME',
          Driver: 'DRIVER',
          Scope: 'SCOPE',
          IPv6: 'IPV6',
          Internal: 'INTERNAL',
          Labels: 'LABELS',
          CreatedAt: 'CREATED AT',
        },
        identity: 'ID',
        rows,
      },
      { quiet: args.boolean('quiet'), ...(format ? { format } : {}) },
    );
    if (text) context.print(text);
  },
};
