// `berth network disconnect`
import { disconnectNetwork } from '@berth/client/networks/disconnect';
import type { Command } from '../command.ts';

export const command: Command = {
  usage: 'network disconnect [OPTIONS] NETWORK CONTAINER',
  description: 'Disconnect a container from a network',
  flags: { force: { type: 'boolean', alias: 'f', description: 'Force the container to disconnect from a network' } },
  arguments: { min: 2, max: 2 },
  async run(context, args) {
    const [network, container] = args.positional as [string, string];
    await disconnectNetwork(context.engine, network, { Container: container, Force: args.boolean('force') });
  },
};
