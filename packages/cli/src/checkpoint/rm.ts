// `berth checkpoint rm`
import { removeCheckpoint } from '@berth/client/checkpoints/remove';
import type { Command } from '../command.ts';
import { CHECKPOINT_DIR } from './directory.ts';

export const command: Command = {
  usage: 'checkpoint rm [OPTIONS] CONTAINER CHECKPOINT',
  description: 'Remove a checkpoint',
  flags: { 'checkpoint-dir': CHECKPOINT_DIR },
  arguments: { min: 2, max: 2 },
  async run(context, args) {
    await removeCheckpoint(context.engine, args.at(0), args.at(1), args.string('checkpoint-dir'));
  },
};
