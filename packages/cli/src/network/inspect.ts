// `berth network inspect`
import { inspectNetwork } from '@berth/client/networks/inspect';
import type { Command } from '../command.ts';
import { INSPECT_FLAGS, inspectObjects } from '../system/inspect-objects.ts';

export const command: Command = {
  usage: 'network inspect [OPTIONS] NETWORK [NETWORK...]',
  description: 'Display detailed information on one or more networks',
  flags: INSPECT_FLAGS,
  arguments: { min: 1 },
  run: (context, args) => inspectObjects(context, args.positional, args.string('format'), (name) => inspectNetwork(context.engine, name)),
};
