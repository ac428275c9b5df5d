// berth-runtime create: everything but the user's program.
import { onlyId } from './arguments.ts';
import type { Command } from './command.ts';
import { CREATE_FLAGS, createFromFlags } from './creating.ts';

export const create: Command = {
  usage: '[options] ID',
  help: 'create a container',
  forksInto: true,
  flags: CREATE_FLAGS,
  run(parsed, settings) {
    createFromFlags(onlyId(parsed, 'create'), parsed, settings, { terminal: false });
    return 0;
  },
};
