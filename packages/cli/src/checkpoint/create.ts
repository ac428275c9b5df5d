// `berth checkpoint create`
import { createCheckpoint } from '@berth/client/checkpoints/create';
import type { Command } from '../command.ts';
import { CHECKPOINT_DIR } from './directory.ts';

export const command: Command = {
  usage: 'checkpoint create [OPTIONS] CONTAINER CHECKPOINT',
  description: 'Create a checkpoint from a running container',
  flags: {
    'checkpoint-dir': CHECKPOINT_DIR,
    'leave-running': { type: 'boolean', description: 'Leave the container running after checkpoint' },
  },
  arguments: { min: 2, max: 2 },
  async run(context, args) {
    await createCheckpoint(context.engine, args.at(0), {
      CheckpointID: args.at(1),
      CheckpointDir: args.string('checkpoint-dir') ?? '',
      Exit: !args.boolean('leave-running'),
    });
    context.print(args.at(1));
  },
};
