// berth-runtime kill: a signal to init, or to every process.
import { loadContainer } from '../container.ts';
import { signalNumber } from '../signals.ts';
import { usage } from './arguments.ts';
import type { Command } from './command.ts';
import { NAME } from './name.ts';

export const kill: Command = {
  usage: '[options] ID [SIGNAL]',
  help: 'send a signal (SIGTERM by default)',
  flags: { all: { kind: 'flag', short: 'a', help: 'to every process of the container' } },
  permute: true,
  run(parsed, { root }) {
    const [id, signal = 'SIGTERM', ...more] = parsed.rest;
    if (!id || more.length) throw usage(`${NAME}: "kill" requires a minimum of 1 argument: the container's id, and at most a signal`);
    loadContainer(root, id).kill(signalNumber(signal), { all: parsed.flags.has('all') });
    return 0;
  },
};
