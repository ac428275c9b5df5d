// `berth start`
import { DEFAULT_DETACH_KEYS } from '@berth/api/detach-keys';
import { attachContainer } from '@berth/client/containers/attach';
import { inspectContainer } from '@berth/client/containers/inspect';
import { resizeContainer } from '@berth/client/containers/resize';
import { type StartOptions, startContainer } from '@berth/client/containers/start';
import { waitContainer } from '@berth/client/containers/wait';
import type { Command } from '../command.ts';
import type { Context } from '../context.ts';
import { ExitError } from '../exit.ts';
import type { Arguments } from '../parse.ts';
import { followResize } from '../terminal/resize.ts';
import { forwardSignals } from '../terminal/signals.ts';
import { joinStreams } from '../terminal/streams.ts';
import { forEach } from './for-each.ts';

export const command: Command = {
  usage: 'start [OPTIONS] CONTAINER [CONTAINER...]',
  description: 'Start one or more stopped containers',
  flags: {
    attach: { type: 'boolean', alias: 'a', description: 'Attach STDOUT/STDERR and forward signals' },
    checkpoint: { type: 'string', description: 'Restore from this checkpoint' },
    'checkpoint-dir': { type: 'string', description: 'Use a custom checkpoint storage directory' },
    'detach-keys': { type: 'string', description: 'Override the key sequence for detaching a container' },
    interactive: { type: 'boolean', alias: 'i', description: "Attach container's STDIN" },
  },
  arguments: { min: 1 },
  async run(context, args) {
    if (args.given('checkpoint') && args.positional.length > 1) throw new ExitError(1, 'you cannot restore multiple containers at once');
    if (!args.boolean('attach') && !args.boolean('interactive')) {
      const start = (id: string) => startContainer(context.engine, id, checkpointOf(args));
      return forEach(context, args.positional, async (id) => void (await start(id)), {
        summary: (failed) => `Error: failed to start containers: ${failed.join(', ')}`,
      });
    }
    if (args.positional.length > 1) throw new ExitError(1, 'you cannot start and attach multiple containers at once');
    return startAttached(context, args);
  },
};

function checkpointOf(args: Arguments): StartOptions {
  return { checkpoint: args.string('checkpoint'), checkpointDir: args.string('checkpoint-dir') };
}

async function startAttached(context: Context, args: Arguments): Promise<number> {
  const { engine } = context;
  const { Id: id, Config: config, HostConfig: host } = await inspectContainer(engine, args.at(0));
  const tty = config.Tty === true;
  const stdin = args.boolean('interactive') && config.OpenStdin === true;
  const detachKeys = args.string('detach-keys') ?? context.config.detachKeys ?? DEFAULT_DETACH_KEYS;
  using _signals = tty ? undefined : forwardSignals(engine, id);
  const connection = await attachContainer(engine, id, { stdin, stdout: true, stderr: true, detachKeys });
  const waiting = await waitContainer(engine, id, host.AutoRemove ? 'removed' : 'next-exit');
  waiting.exit.catch(() => {});
  const ending = joinStreams(context, connection, { tty, stdin, stdout: true, stderr: true, detachKeys });
  ending.catch(() => {});
  try {
    await startContainer(engine, id, checkpointOf(args));
  } catch (error) {
    connection.stream.destroy();
    throw error;
  }
  using _size = tty ? followResize(context.stdout, (size) => resizeContainer(engine, id, size)) : undefined;
  if ((await ending) === 'detached') return 0;
  return (await waiting.exit).StatusCode;
}
