// `berth pause`
import { pauseContainer } from '@berth/client/containers/pause';
import type { Command } from '../command.ts';
import { forEach } from './for-each.ts';

export const command: Command = {
  usage: 'pause CONTAINER [CONTAINER...]',
  description: 'Pause all processes within one or more containers',
  flags: {},
  arguments: { min: 1 },
  run: (context, args) => forEach(context, args.positional, (id) => pauseContainer(context.engine, id)),
};
