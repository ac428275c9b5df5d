// `berth registry gc`
import type { Command } from '../command.ts';
import { runRegistry } from './serve.ts';

export const command: Command = {
  usage: 'registry gc --root DIR [OPTIONS]',
  description: 'Delete what no manifest of a registry needs (OPTIONS: berth-registry --help)',
  flags: {},
  arguments: { min: 0 },
  verbatim: true,
  run: (_context, args) => runRegistry(['gc', ...args.positional]),
};
