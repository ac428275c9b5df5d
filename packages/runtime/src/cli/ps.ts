// berth-runtime ps: the processes of a container, as pids or through ps(1).
import { EngineError } from '@berth/errdefs/engine-error';
import { loadContainer } from '../container.ts';
import { textOf, usage } from './arguments.ts';
import { type Command, print } from './command.ts';
import { NAME } from './name.ts';

export const ps: Command = {
  usage: '[options] ID [PS OPTIONS]',
  help: 'list the processes of a container',
  flags: { format: { kind: 'value', short: 'f', help: 'table (default) or json' } },
  run(parsed, { root }) {
    const [id, ...psOptions] = parsed.rest;
    if (!id) throw usage(`${NAME}: "ps" requires a minimum of 1 argument: the container's id`);
    const pids = loadContainer(root, id).pids();
    const format = textOf(parsed, 'format') ?? 'table';
    if (format === 'json') print(`${JSON.stringify(pids)}\n`);
    else if (format === 'table') print(psTable(psOptions.length ? psOptions : ['-ef'], pids));
    else throw usage('invalid format option');
    return 0;
  },
};

function psTable(options: string[], pids: readonly number[]): string {
  // Loading it costs every other verb milliseconds.
  const { spawnSync } = process.getBuiltinModule('node:child_process');
  const result = spawnSync('ps', options, { encoding: 'utf8' });
  if (result.error || result.status !== 0)
    throw new EngineError('Internal', `ps ${options.join(' ')}: ${result.error?.message ?? result.stderr.trim()}`, { layer: 'runtime' });
  const [header = '', ...lines] = result.stdout.trimEnd().split('\n');
  const column = header.trim().split(/\s+/).indexOf('PID');
  if (column < 0) throw usage("couldn't find PID field in ps output");
  const wanted = lines.filter((line) => pids.includes(Number(line.trim().split(/\s+/)[column])));
  return `${[header, ...wanted].join('\n')}\n`;
}
