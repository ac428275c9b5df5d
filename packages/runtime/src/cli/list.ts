// berth-runtime list: the containers of a root directory.
import { listContainers } from '../container.ts';
import { textOf, usage } from './arguments.ts';
import { type Command, print } from './command.ts';
import { table } from './table.ts';

export const list: Command = {
  usage: '[options]',
  help: 'list containers',
  flags: {
    format: { kind: 'value', short: 'f', help: 'table (default) or json' },
    quiet: { kind: 'flag', short: 'q', help: 'only ids' },
  },
  run(parsed, { root }) {
    const states = listContainers(root).map((container) => container.state());
    const format = textOf(parsed, 'format') ?? 'table';
    if (parsed.flags.has('quiet')) print(states.map(({ id }) => `${id}\n`).join(''));
    else if (format === 'json') print(`${states.length ? JSON.stringify(states) : 'null'}\n`);
    else if (format === 'table')
      print(
        table(
          ['ID', 'PID', 'STATUS', 'BUNDLE', 'CREATED', 'OWNER'],
          states.map(({ id, pid, status, bundle, created, owner }) => [id, String(pid), status, bundle, created, owner]),
        ),
      );
    else throw usage('invalid format option');
    return 0;
  },
};
