// `berth`: finds the verb, reads its flags, runs it, and turns whatever is thrown into one line on stderr and docker's exit codes.
// Start-up time counts here: nothing is imported that `berth ps` does not need.
import { toEngineError } from '@berth/errdefs/engine-error';
import type { Command, Flags } from './command.ts';
import { Context } from './context.ts';
import { ExitError, UsageError } from './exit.ts';
import { parseArguments, splitGlobal } from './parse.ts';
import { find } from './registry.ts';
import { VERSION } from './version.ts';

const GLOBAL: Flags = {
  config: { type: 'string' },
  context: { type: 'string', alias: 'c' },
  debug: { type: 'boolean', alias: 'D' },
  host: { type: 'string', alias: 'H' },
  'log-level': { type: 'string', alias: 'l' },
  tls: { type: 'boolean' },
  tlscacert: { type: 'string' },
  tlscert: { type: 'string' },
  tlskey: { type: 'string' },
  tlsverify: { type: 'boolean' },
  version: { type: 'boolean', alias: 'v' },
};

async function main(argv: string[]): Promise<number> {
  let command: Command | undefined;
  let name = '';
  let context: Context | undefined;
  let debug = false;
  try {
    const { global, rest } = splitGlobal(argv, GLOBAL);
    debug = global.boolean('debug');
    if (global.boolean('version')) {
      process.stdout.write(`Berth version ${VERSION}\n`);
      return 0;
    }
    const found = await find(rest);
    if (found.kind === 'overview') {
      const { overview } = await import('./help.ts');
      process.stdout.write(`${overview(found.group)}\n`);
      return 0;
    }
    if (found.kind === 'unknown') {
      const [group, ...verb] = found.words;
      const where = verb.length > 0 ? `Usage:  berth ${group} COMMAND\n\nRun 'berth ${group} --help'` : `Run 'berth --help'`;
      throw new ExitError(1, `berth: unknown command: berth ${found.words.join(' ')}\n\n${where} for more information`);
    }
    ({ command, name } = found);
    const args = parseArguments(found.argv, command, name);
    if (args.boolean('help')) {
      const { commandHelp } = await import('./help.ts');
      process.stdout.write(`${await commandHelp(command)}\n`);
      return 0;
    }
    context = new Context(global, process.env);
    return (await command.run(context, args)) ?? 0;
  } catch (thrown) {
    return explain(thrown, command, name, debug);
  } finally {
    context?.close();
  }
}

function explain(thrown: unknown, command: Command | undefined, name: string, debug: boolean): number {
  const error = toEngineError(thrown);
  if (error instanceof UsageError) {
    const usage = command?.usage ?? '[OPTIONS] COMMAND [ARG...]';
    const help = command ? `berth ${name}` : 'berth';
    process.stderr.write(`${error.message}\n\nUsage:  berth ${usage}\n\n${error.hint} '${help} --help' for more information\n`);
    return error.exitCode;
  }
  const exitCode = error instanceof ExitError ? error.exitCode : 1;
  const from = error.message.startsWith('Error response') ? '' : error.details.status === undefined ? '' : 'Error response from daemon: ';
  if (error.message) process.stderr.write(`${from}${error.message}\n`);
  if (debug)
    process.stderr.write(
      `failed in: ${error.layer ?? 'cli'}\n${error.stack}\n${error.cause instanceof Error ? `caused by: ${error.cause.stack}\n` : ''}`,
    );
  return exitCode;
}

// A closed pipe (berth logs | head) ends the program quietly, as it does every other.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

void main(process.argv.slice(2)).then((code) => {
  process.exitCode = code;
  // Standard input may still be open (a terminal); what was written must get out first.
  process.stdout.write('', () => process.stderr.write('', () => process.exit(code)));
});
