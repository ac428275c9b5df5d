// berth-runtime features: what this runtime can do, as JSON.
import { features as describe } from '../features.ts';
import { type Command, print } from './command.ts';

export const features: Command = {
  usage: '',
  help: 'print what this runtime can do',
  flags: {},
  run() {
    print(`${JSON.stringify(describe(), null, 4)}\n`);
    return 0;
  },
};
