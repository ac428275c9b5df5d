// `berth exec`
import { DEFAULT_DETACH_KEYS } from '@berth/api/detach-keys';
import { createExec } from '@berth/client/exec/create';
import { inspectExec } from '@berth/client/exec/inspect';
import { resizeExec } from '@berth/client/exec/resize';
import { startExec, startExecDetached } from '@berth/client/exec/start';
import type { Command } from '../command.ts';
import { ExitError } from '../exit.ts';
import { environmentOf } from '../run-flags/environment.ts';
import { followResize, terminalSize } from '../terminal/resize.ts';
import { joinStreams } from '../terminal/streams.ts';

export const command: Command = {
  usage: 'exec [OPTIONS] CONTAINER COMMAND [ARG...]',
  description: 'Execute a command in a running container',
  flags: {
    detach: { type: 'boolean', alias: 'd', description: 'Detached mode: run command in the background' },
    'detach-keys': { type: 'string', description: 'Override the key sequence for detaching a container' },
    env: { type: 'string', array: true, alias: 'e', description: 'Set environment variables' },
    'env-file': { type: 'string', array: true, description: 'Read in a file of environment variables' },
    interactive: { type: 'boolean', alias: 'i', description: 'Keep STDIN open even if not attached' },
    privileged: { type: 'boolean', description: 'Give extended privileges to the command' },
    tty: { type: 'boolean', alias: 't', description: 'Allocate a pseudo-TTY' },
    user: { type: 'string', alias: 'u', description: 'Username or UID (format: "<name|uid>[:<group|gid>]")' },
    workdir: { type: 'string', alias: 'w', description: 'Working directory inside the container' },
  },
  arguments: { min: 2 },
  stopAtArgument: true,
  async run(context, args) {
    const { engine } = context;
    const [container, ...cmd] = args.positional as [string, ...string[]];
    const tty = args.boolean('tty');
    const detached = args.boolean('detach');
    const stdin = args.boolean('interactive') && !detached;
    if (tty && stdin && !context.stdin.isTTY) throw new ExitError(1, 'the input device is not a TTY');
    const size = tty ? terminalSize(context.stdout) : undefined;
    const consoleSize = size ? ([size.rows, size.columns] as [number, number]) : null;
    const detachKeys = args.string('detach-keys') ?? context.config.detachKeys ?? DEFAULT_DETACH_KEYS;
    const { Id: id } = await createExec(engine, container, {
      User: args.string('user') ?? '',
      Privileged: args.boolean('privileged'),
      Tty: tty,
      ConsoleSize: consoleSize,
      AttachStdin: stdin,
      AttachStdout: !detached,
      AttachStderr: !detached,
      DetachKeys: detachKeys,
      Env: environmentOf(args.list('env'), args.list('env-file'), context.environment),
      WorkingDir: args.string('workdir') ?? '',
      Cmd: cmd,
    });
    if (detached) {
      await startExecDetached(engine, id, { Tty: tty });
      return 0;
    }
    const connection = await startExec(engine, id, { Tty: tty, ConsoleSize: consoleSize });
    using _size = tty ? followResize(context.stdout, (now) => resizeExec(engine, id, now)) : undefined;
    if ((await joinStreams(context, connection, { tty, stdin, stdout: true, stderr: true, detachKeys })) === 'detached') return 0;
    const { ExitCode: code } = await inspectExec(engine, id);
    return code ?? 0;
  },
};
