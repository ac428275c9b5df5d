// `berth volume ls`
import { listVolumes } from '@berth/client/volumes/list';
import type { Command } from '../command.ts';
import { filtersOf } from '../filter-flag.ts';
import { renderListing } from '../format/listing.ts';

export const command: Command = {
  usage: 'volume ls [OPTIONS]',
  description: 'List volumes',
  flags: {
    filter: { type: 'string', array: true, alias: 'f', description: 'Provide filter values (e.g. "dangling=true")' },
    format: { type: 'string', description: "Format output: 'table', 'table TEMPLATE', 'json' or a Go template" },
    quiet: { type: 'boolean', alias: 'q', description: 'Only display volume names' },
  },
  arguments: { min: 0, max: 0 },
  async run(context, args) {
    const { Volumes: volumes, Warnings: warnings } = await listVolumes(context.engine, filtersOf(args, command.flags));
    for (const warning of warnings ?? []) context.stderr.write(`WARNING: ${warning}\n`);
    const format = args.string('format') ?? context.config.volumesFormat;
    const rows = [...(volumes ?? [])]
      .sort((a, b) => a.Name.localeCompare(b.Name))
      .map((volume) => ({
        Availability: 'N/A',
        Driver: volume.Driver,
        Group: 'N/A',
        Label: (name: string) => volume.Labels?.[name] ?? '',
        Labels: Object.entries(volume.Labels ?? {})
          .map(([name, value]) => `${name}=${value}`)
          .join(','),
        Links: 'N/A',
        Mountpoint: volume.Mountpoint,
        Name: volume.Name,
        Scope: volume.Scope,
        Size: 'N/A',
        Status: 'N/A',
      }));
    const headings = { Driver: 'DRIVER', Name: 'VOLUME NAME', Mountpoint: 'MOUNTPOINT', Labels: 'LABELS', Scope: 'SCOPE', Size: 'SIZE' };
    const text = renderListing(
      { standard: 'table {{.Driver}}\t{{.Name}}', raw: 'name: {{.Name}}\ndriver: {{.Driver}}\n', headings, identity: 'Name', rows },
      { quiet: args.boolean('quiet'), ...(format ? { format } : {}) },
    );
    if (text) context.print(text);
  },
};
