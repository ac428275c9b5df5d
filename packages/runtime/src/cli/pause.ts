// berth-runtime pause and resume: every process of a container stops, and goes on.
import { loadContainer } from '../container.ts';
import { onlyId } from './arguments.ts';
import type { Command } from './command.ts';

export const pause: Command = {
  usage: 'ID',
  help: 'suspend every process of a container',
  flags: {},
  run(parsed, { root }) {
    loadContainer(root, onlyId(parsed, 'pause')).pause();
    return 0;
  },
};

export const resume: Command = {
  usage: 'ID',
  help: 'let a paused container go on',
  flags: {},
  run(parsed, { root }) {
    loadContainer(root, onlyId(parsed, 'resume')).resume();
    return 0;
  },
};
