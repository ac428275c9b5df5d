// `berth checkpoint ls`
import { listCheckpoints } from '@berth/client/checkpoints/list';
import type { Command } from '../command.ts';
import { renderListing } from '../format/listing.ts';
import { CHECKPOINT_DIR } from './directory.ts';

export const command: Command = {
  usage: 'checkpoint ls [OPTIONS] CONTAINER',
  description: 'List checkpoints for a container',
  flags: { 'checkpoint-dir': CHECKPOINT_DIR },
  arguments: { min: 1, max: 1 },
  async run(context, args) {
    const checkpoints = await listCheckpoints(context.engine, args.at(0), args.string('checkpoint-dir'));
    const rows = checkpoints.map(({ Name }) => ({ Name })).sort((a, b) => a.Name.localeCompare(b.Name));
    context.print(
      renderListing({ standard: 'table {{.Name}}', headings: { Name: 'CHECKPOINT NAME' }, identity: 'Name', rows }, { quiet: false }),
    );
  },
};
