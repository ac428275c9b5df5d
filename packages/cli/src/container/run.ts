// `berth run`: create, attach, wait, start, in docker's order, so that no byte of output and no exit is missed.
import { DEFAULT_DETACH_KEYS, parseDetachKeys } from '@berth/api/detach-keys';
import { attachContainer } from '@berth/client/containers/attach';
import { removeContainer } from '@berth/client/containers/remove';
import { resizeContainer } from '@berth/client/containers/resize';
import { startContainer } from '@berth/client/containers/start';
import { waitContainer } from '@berth/client/containers/wait';
import type { Command } from '../command.ts';
import type { Context } from '../context.ts';
import { ExitError } from '../exit.ts';
import type { Arguments } from '../parse.ts';
import { type Attachment, attachmentOf } from '../run-flags/container-request.ts';
import { RUN_FLAGS } from '../run-flags/flags.ts';
import { followResize } from '../terminal/resize.ts';
import { forwardSignals } from '../terminal/signals.ts';
import { joinStreams } from '../terminal/streams.ts';
import { create, createFailure, requestOf, startFailure } from './create-container.ts';

export const command: Command = {
  usage: 'run [OPTIONS] IMAGE [COMMAND] [ARG...]',
  description: 'Create and run a new container from an image',
  flags: RUN_FLAGS,
  arguments: { min: 1 },
  stopAtArgument: true,
  async run(context, args) {
    const detached = args.boolean('detach');
    if (detached && args.given('attach')) throw new ExitError(1, 'conflicting options: cannot specify both --attach and --detach');
    const attachment = attachmentOf(args, detached);
    if (args.boolean('tty') && attachment.stdin && !context.stdin.isTTY) {
      throw new ExitError(1, 'the input device is not a TTY');
    }
    // Before anything is made: the daemon would refuse them with the container there already.
    const detachKeys = args.string('detach-keys') ?? context.config.detachKeys ?? DEFAULT_DETACH_KEYS;
    parseDetachKeys(detachKeys);
    const id = await create(context, args, requestOf('run', context, args, attachment)).catch((error) => {
      throw createFailure(error);
    });
    if (attachment.stdin || attachment.stdout || attachment.stderr) return runAttached(context, args, { ...attachment, detachKeys }, id);
    // Told as well when it does not start: it is there.
    context.print(id);
    await startContainer(context.engine, id).catch((error) => {
      throw startFailure(error);
    });
    return 0;
  },
};

async function runAttached(
  context: Context,
  args: Arguments,
  attachment: Attachment & { detachKeys: string },
  id: string,
): Promise<number> {
  const { engine } = context;
  const tty = args.boolean('tty');
  const { detachKeys } = attachment;
  // With a terminal the keys typed are the container's to interpret; without, the signals of this process are passed on.
  const proxied = !tty && (args.boolean('sig-proxy') || !args.given('sig-proxy'));
  using _signals = proxied ? forwardSignals(engine, id) : undefined;
  const connection = await attachContainer(engine, id, attachment);
  const waiting = await waitContainer(engine, id, args.boolean('rm') ? 'removed' : 'next-exit');
  const ending = joinStreams(context, connection, { tty, ...attachment });
  // A start that fails ends the streams too; its error is the one to tell.
  ending.catch(() => {});
  waiting.exit.catch(() => {});
  try {
    await startContainer(engine, id, { detachKeys });
  } catch (error) {
    connection.stream.destroy();
    if (args.boolean('rm')) await removeContainer(engine, id, { force: true, volumes: true }).catch(() => {});
    throw startFailure(error);
  }
  using _size = tty ? followResize(context.stdout, (size) => resizeContainer(engine, id, size)) : undefined;
  if ((await ending) === 'detached') return 0;
  const exit = await waiting.exit;
  if (exit.Error?.Message) context.warn(`Error waiting for container: ${exit.Error.Message}`);
  return exit.StatusCode;
}
