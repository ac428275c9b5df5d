// `berth inspect`: any object by name; containers first, then images, networks and volumes, unless --type says which.
import { inspectContainer } from '@berth/client/containers/inspect';
import { inspectImage } from '@berth/client/images/inspect';
import { inspectNetwork } from '@berth/client/networks/inspect';
import { inspectVolume } from '@berth/client/volumes/inspect';
import { EngineError, isKind } from '@berth/errdefs/engine-error';
import type { Command } from '../command.ts';
import { ExitError } from '../exit.ts';
import { INSPECT_FLAGS, inspectObjects } from './inspect-objects.ts';

export const command: Command = {
  usage: 'inspect [OPTIONS] NAME|ID [NAME|ID...]',
  description: 'Return low-level information on Berth objects',
  flags: {
    ...INSPECT_FLAGS,
    size: { type: 'boolean', alias: 's', description: 'Display total file sizes if the type is container' },
    type: { type: 'string', description: 'Only inspect objects of the given type' },
  },
  arguments: { min: 1 },
  async run(context, args) {
    const { engine } = context;
    const lookUps: Record<string, (name: string) => Promise<unknown>> = {
      container: (name) => inspectContainer(engine, name, { size: args.boolean('size') }),
      image: (name) => inspectImage(engine, name),
      network: (name) => inspectNetwork(engine, name),
      volume: (name) => inspectVolume(engine, name),
    };
    const type = args.string('type');
    if (type && !lookUps[type]) {
      const known = Object.keys(lookUps).map((one) => JSON.stringify(one));
      throw new ExitError(1, `unknown type: ${JSON.stringify(type)}: must be one of ${known.join(', ')}`);
    }
    const tried = type ? [lookUps[type] as (name: string) => Promise<unknown>] : Object.values(lookUps);
    return inspectObjects(context, args.positional, args.string('format'), async (name) => {
      for (const lookUp of tried) {
        try {
          return await lookUp(name);
        } catch (error) {
          if (!isKind(error, 'NotFound') || type) throw error;
        }
      }
      throw new EngineError('NotFound', `No such object: ${name}`, { layer: 'cli' });
    });
  },
};
