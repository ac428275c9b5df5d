// `berth volume prune`
import { pruneVolumes } from '@berth/client/volumes/prune';
import type { Command } from '../command.ts';
import { filtersOf } from '../filter-flag.ts';
import { confirmed } from '../format/confirm.ts';
import { printDeleted, printReclaimed } from '../format/pruned.ts';

export const command: Command = {
  usage: 'volume prune [OPTIONS]',
  description: 'Remove unused local volumes',
  flags: {
    filter: { type: 'string', array: true, description: 'Provide filter values (e.g. "label=<label>")' },
    all: { type: 'boolean', alias: 'a', description: 'Remove all unused volumes, not just anonymous ones' },
    force: { type: 'boolean', alias: 'f', description: 'Do not prompt for confirmation' },
  },
  arguments: { min: 0, max: 0 },
  async run(context, args) {
    const filters = filtersOf(args, command.flags);
    const all = args.boolean('all');
    if (all) filters.all = ['true'];
    const warning = `WARNING! This will remove ${all ? 'all' : 'anonymous'} local volumes not used by at least one container.`;
    if (!args.boolean('force') && !(await confirmed(context, warning))) return 0;
    const pruned = await pruneVolumes(context.engine, filters);
    printDeleted(context, 'Deleted Volumes', pruned.VolumesDeleted);
    printReclaimed(context, pruned.SpaceReclaimed);
    return 0;
  },
};
