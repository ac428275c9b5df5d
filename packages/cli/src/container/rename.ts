// `berth rename`
import { renameContainer } from '@berth/client/containers/rename';
import type { Command } from '../command.ts';

export const command: Command = {
  usage: 'rename CONTAINER NEW_NAME',
  description: 'Rename a container',
  flags: {},
  arguments: { min: 2, max: 2 },
  run: (context, args) => renameContainer(context.engine, args.at(0), args.at(1)),
};
