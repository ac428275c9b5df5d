// berth-runtime state: the specification's state as JSON.
import { loadContainer } from '../container.ts';
import { onlyId } from './arguments.ts';
import { type Command, print } from './command.ts';

export const state: Command = {
  usage: 'ID',
  help: 'print the state of a container',
  flags: {},
  run(parsed, { root }) {
    print(`${JSON.stringify(loadContainer(root, onlyId(parsed, 'state')).state(), null, 2)}\n`);
    return 0;
  },
};
