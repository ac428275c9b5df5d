// `berth rm`
import { removeContainer } from '@berth/client/containers/remove';
import { isKind } from '@berth/errdefs/engine-error';
import type { Command } from '../command.ts';
import { forEach } from './for-each.ts';

export const command: Command = {
  usage: 'rm [OPTIONS] CONTAINER [CONTAINER...]',
  description: 'Remove one or more containers',
  flags: {
    force: { type: 'boolean', alias: 'f', description: 'Force the removal of a running container (uses SIGKILL)' },
    link: { type: 'boolean', alias: 'l', description: 'Remove the specified link' },
    volumes: { type: 'boolean', alias: 'v', description: 'Remove anonymous volumes associated with the container' },
  },
  arguments: { min: 1 },
  async run(context, args) {
    const options = { force: args.boolean('force'), link: args.boolean('link'), volumes: args.boolean('volumes') };
    return forEach(context, args.positional, (id) => removeContainer(context.engine, id, options), {
      // With --force a container that is not there is told, and is no failure.
      harmless: (error) => options.force && isKind(error, 'NotFound'),
    });
  },
};
