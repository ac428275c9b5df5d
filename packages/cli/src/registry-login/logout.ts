// `berth logout`
import type { Command } from '../command.ts';
import { eraseLogin } from './credential-store.ts';
import { HUB, registryAddress } from './registry-address.ts';

export const command: Command = {
  usage: 'logout [SERVER]',
  description: 'Log out from a registry. If no server is specified, the default is defined by the daemon.',
  flags: {},
  arguments: { min: 0, max: 1 },
  async run(context, args) {
    const registry = registryAddress(args.positional[0]);
    const shown = args.positional[0] ?? HUB;
    context.print(eraseLogin(context, registry) ? `Removing login credentials for ${shown}` : `Not logged in to ${shown}`);
  },
};
