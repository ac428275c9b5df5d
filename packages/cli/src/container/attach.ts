// `berth attach`
import { DEFAULT_DETACH_KEYS } from '@berth/api/detach-keys';
import { attachContainer } from '@berth/client/containers/attach';
import { inspectContainer } from '@berth/client/containers/inspect';
import { resizeContainer } from '@berth/client/containers/resize';
import { waitContainer } from '@berth/client/containers/wait';
import type { Command } from '../command.ts';
import { ExitError } from '../exit.ts';
import { followResize } from '../terminal/resize.ts';
import { forwardSignals } from '../terminal/signals.ts';
import { joinStreams } from '../terminal/streams.ts';

export const command: Command = {
  usage: 'attach [OPTIONS] CONTAINER',
  description: 'Attach local standard input, output, and error streams to a running container',
  flags: {
    'detach-keys': { type: 'string', description: 'Override the key sequence for detaching a container' },
    'no-stdin': { type: 'boolean', description: 'Do not attach STDIN' },
    'sig-proxy': { type: 'boolean', description: 'Proxy all received signals to the process (default true)' },
  },
  arguments: { min: 1, max: 1 },
  async run(context, args) {
    const { engine } = context;
    const container = await inspectContainer(engine, args.at(0));
    const { State: state, Config: config, Id: id } = container;
    if (state.Restarting) throw new ExitError(1, 'You cannot attach to a restarting container, wait until it is running');
    if (!state.Running) throw new ExitError(1, 'You cannot attach to a stopped container, start it first');
    if (state.Paused) throw new ExitError(1, 'You cannot attach to a paused container, unpause it first');
    const tty = config.Tty === true;
    const stdin = config.OpenStdin === true && !args.boolean('no-stdin');
    if (tty && stdin && !context.stdin.isTTY) throw new ExitError(1, 'the input device is not a TTY');
    const detachKeys = args.string('detach-keys') ?? context.config.detachKeys ?? DEFAULT_DETACH_KEYS;
    const proxied = !tty && (args.boolean('sig-proxy') || !args.given('sig-proxy'));
    using _signals = proxied ? forwardSignals(engine, id) : undefined;
    const waiting = await waitContainer(engine, id);
    waiting.exit.catch(() => {});
    const connection = await attachContainer(engine, id, { stdin, stdout: true, stderr: true, detachKeys });
    using _size = tty ? followResize(context.stdout, (size) => resizeContainer(engine, id, size)) : undefined;
    if ((await joinStreams(context, connection, { tty, stdin, stdout: true, stderr: true, detachKeys })) === 'detached') return 0;
    return (await waiting.exit).StatusCode;
  },
};
