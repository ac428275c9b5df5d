// `berth volume rm`
import { removeVolume } from '@berth/client/volumes/remove';
import type { Command } from '../command.ts';
import { forEach } from '../container/for-each.ts';

export const command: Command = {
  usage: 'volume rm [OPTIONS] VOLUME [VOLUME...]',
  description: 'Remove one or more volumes. You cannot remove a volume that is in use by a container.',
  flags: { force: { type: 'boolean', alias: 'f', description: 'Force the removal of one or more volumes' } },
  arguments: { min: 1 },
  run: (context, args) => forEach(context, args.positional, (name) => removeVolume(context.engine, name, { force: args.boolean('force') })),
};
