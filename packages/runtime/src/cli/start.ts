// berth-runtime start: the user's program of a created container.
import { loadContainer } from '../container.ts';
import { onlyId } from './arguments.ts';
import type { Command } from './command.ts';

export const start: Command = {
  usage: 'ID',
  help: 'execute the program of a created container',
  flags: {},
  run(parsed, { root }) {
    loadContainer(root, onlyId(parsed, 'start')).start();
    return 0;
  },
};
