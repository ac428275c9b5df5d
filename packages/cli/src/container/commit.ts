// `berth commit`
import { commitContainer } from '@berth/client/containers/commit';
import type { Command } from '../command.ts';
import { splitTag } from '../image/name.ts';

export const command: Command = {
  usage: 'commit [OPTIONS] CONTAINER [REPOSITORY[:TAG]]',
  description: "Create a new image from a container's changes",
  flags: {
    author: { type: 'string', alias: 'a', description: 'Author (e.g., "John Hannibal Smith <hannibal@a-team.com>")' },
    change: { type: 'string', array: true, alias: 'c', description: 'Apply Dockerfile instruction to the created image' },
    message: { type: 'string', alias: 'm', description: 'Commit message' },
    'no-pause': { type: 'boolean', description: 'Disable pausing container during commit' },
    pause: { type: 'boolean', alias: 'p', description: 'Pause container during commit (deprecated: use --no-pause instead)', hidden: true },
  },
  arguments: { min: 1, max: 2 },
  async run(context, args) {
    const name = args.positional[1];
    const paused = args.given('pause') ? args.boolean('pause') : !args.boolean('no-pause');
    const id = await commitContainer(context.engine, {
      container: args.at(0),
      ...(name ? splitTag(name) : {}),
      comment: args.string('message') ?? '',
      author: args.string('author') ?? '',
      changes: args.list('change'),
      pause: paused,
    });
    context.print(id);
  },
};
