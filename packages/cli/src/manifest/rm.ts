// `berth manifest rm`
import { canonical } from '@berth/oci/reference';
import type { Command } from '../command.ts';
import { ExitError } from '../exit.ts';
import { listReference } from './manifest-registry.ts';
import { ManifestStore } from './manifest-store.ts';

export const command: Command = {
  usage: 'manifest rm MANIFEST_LIST [MANIFEST_LIST...]',
  description: 'Delete one or more manifest lists from local storage',
  flags: {},
  arguments: { min: 1 },
  async run(context, args) {
    const store = new ManifestStore(context.configDirectory);
    const names = args.positional.map((text) => canonical(listReference(text)));
    const missing = names.filter((name) => !store.remove(name));
    if (missing.length > 0) throw new ExitError(1, missing.map((name) => `No such manifest: ${name}`).join('\n'));
  },
};
