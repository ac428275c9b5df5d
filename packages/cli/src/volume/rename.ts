// `berth volume rename`: beyond Docker.
import { renameVolume } from '@berth/client/volumes/rename';
import type { Command } from '../command.ts';

export const command: Command = {
  usage: 'volume rename VOLUME NEW_NAME',
  description: 'Rename a volume that no container uses',
  flags: {},
  arguments: { min: 2, max: 2 },
  run: (context, args) => renameVolume(context.engine, args.at(0), args.at(1)),
};
