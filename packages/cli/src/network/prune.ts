// `berth network prune`
import { pruneNetworks } from '@berth/client/networks/prune';
import type { Command } from '../command.ts';
import { filtersOf } from '../filter-flag.ts';
import { confirmed } from '../format/confirm.ts';
import { printDeleted } from '../format/pruned.ts';

export const command: Command = {
  usage: 'network prune [OPTIONS]',
  description: 'Remove all unused networks',
  flags: {
    filter: { type: 'string', array: true, description: 'Provide filter values (e.g. "until=<timestamp>")' },
    force: { type: 'boolean', alias: 'f', description: 'Do not prompt for confirmation' },
  },
  arguments: { min: 0, max: 0 },
  async run(context, args) {
    const warning = 'WARNING! This will remove all custom networks not used by at least one container.';
    if (!args.boolean('force') && !(await confirmed(context, warning))) return 0;
    const { NetworksDeleted } = await pruneNetworks(context.engine, filtersOf(args, command.flags));
    printDeleted(context, 'Deleted Networks', NetworksDeleted);
    return 0;
  },
};
