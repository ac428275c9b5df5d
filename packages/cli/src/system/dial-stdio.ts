// `berth system dial-stdio`: the other end of an ssh:// endpoint. Standard input goes to the daemon, what it says to standard output.
import { pipeline } from 'node:stream/promises';
import { drained } from '@berth/api/drained';
import { dial } from '@berth/client/dial';
import { describeEndpoint } from '@berth/client/endpoint';
import { EngineError } from '@berth/errdefs/engine-error';
import type { Command } from '../command.ts';

export const command: Command = {
  usage: 'system dial-stdio',
  description: 'Proxy the stdio stream to the daemon connection. Should not be invoked manually.',
  flags: {},
  arguments: { min: 0, max: 0 },
  async run(context) {
    const { endpoint } = context.engine;
    const connection = dial(endpoint);
    try {
      void pipeline(context.stdin, connection).catch(() => {});
      for await (const chunk of connection) if (!context.stdout.write(chunk)) await drained(context.stdout);
    } catch (cause) {
      throw new EngineError(
        'Unavailable',
        `failed to open the raw stream connection to ${describeEndpoint(endpoint)}: ${(cause as Error).message}`,
        {
          layer: 'cli',
          cause,
        },
      );
    }
  },
};
