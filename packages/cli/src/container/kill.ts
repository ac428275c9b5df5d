// `berth kill`
import { killContainer } from '@berth/client/containers/kill';
import type { Command } from '../command.ts';
import { forEach } from './for-each.ts';

export const command: Command = {
  usage: 'kill [OPTIONS] CONTAINER [CONTAINER...]',
  description: 'Kill one or more running containers',
  flags: { signal: { type: 'string', alias: 's', description: 'Signal to send to the container' } },
  arguments: { min: 1 },
  run: (context, args) => forEach(context, args.positional, (id) => killContainer(context.engine, id, args.string('signal'))),
};
