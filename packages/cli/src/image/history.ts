// `berth history`
import { humanDuration, humanSize } from '@berth/api/units';
import { imageHistory } from '@berth/client/images/history';
import type { Command } from '../command.ts';
import { renderListing } from '../format/listing.ts';
import { platformField } from './platform.ts';

export const command: Command = {
  usage: 'history [OPTIONS] IMAGE',
  description: 'Show the history of an image',
  flags: {
    format: { type: 'string', description: "Format output: 'table', 'table TEMPLATE', 'json' or a Go template" },
    human: { type: 'boolean', alias: 'H', description: 'Print sizes and dates in human readable format (default true)' },
    'no-trunc': { type: 'boolean', description: "Don't truncate output" },
    platform: { type: 'string', description: 'Show history for the given platform. Formatted as "os[/arch[/variant]]"' },
    quiet: { type: 'boolean', alias: 'q', description: 'Only show image IDs' },
  },
  arguments: { min: 1, max: 1 },
  async run(context, args) {
    const full = args.boolean('no-trunc');
    const human = args.boolean('human') || !args.given('human');
    const items = await imageHistory(context.engine, args.at(0), platformField(args.string('platform')));
    const cut = (text: string) => (full || text.length <= 45 ? text : `${text.slice(0, 44)}…`);
    const rows = items.map((item) => ({
      Comment: item.Comment,
      CreatedAt: rfc3339(item.Created),
      CreatedBy: cut(item.CreatedBy.replaceAll('\t', ' ')),
      CreatedSince: human ? `${humanDuration(Date.now() / 1000 - item.Created)} ago` : rfc3339(item.Created),
      ID: full ? item.Id : item.Id.replace('sha256:', '').slice(0, 12),
      Size: human ? humanSize(item.Size) : String(item.Size),
    }));
    const text = renderListing(
      {
        standard: 'table {{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}',
        headings: {
          ID: 'IMAGE',
          CreatedSince: human ? 'CREATED' : 'CREATED AT',
          CreatedAt: 'CREATED AT',
          CreatedBy: 'CREATED BY',
          Size: 'SIZE',
          Comment: 'COMMENT',
        },
        identity: 'ID',
        rows,
      },
      { quiet: args.boolean('quiet'), ...(args.given('format') ? { format: args.string('format') as string } : {}) },
    );
    if (text) context.print(text);
  },
};

/** Unix seconds as `2026-11-21T08:00:00Z`. */
function rfc3339(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace(/\.\d+/, '');
}
