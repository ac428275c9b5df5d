// `berth registry serve`: starts berth-registry, the program beside this one. `--local` is this command's own: it asks the daemon where
// its images are.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { daemonInfo } from '@berth/client/system/info';
import type { Command } from '../command.ts';
import type { Context } from '../context.ts';
import { ExitError } from '../exit.ts';

export const command: Command = {
  usage: 'registry serve [--local | --root DIR] [OPTIONS]',
  description: 'Serve a registry: from a directory, or the images of this engine without a copy (OPTIONS: berth-registry --help)',
  flags: {},
  arguments: { min: 0 },
  verbatim: true,
  async run(context, args) {
    const flags = args.positional.filter((flag) => flag !== '--local');
    const local = flags.length < args.positional.length ? await localFlags(context) : [];
    return runRegistry(['serve', ...local, ...flags]);
  },
};

async function localFlags(context: Context): Promise<string[]> {
  const { Containerd: service } = await daemonInfo(context.engine);
  if (!service?.Address)
    throw new ExitError(1, 'the daemon does not say where its images are: it offers no lifecycle service to read them from');
  return ['--local', service.Address, '--namespace', service.Namespaces.Containers];
}

/** The exit code of the program, which gets the signals that end this one. */
export function runRegistry(args: readonly string[]): Promise<number> {
  const here = dirname(process.execPath);
  const besides = [join(here, 'berth-registry'), join(here, '..', 'bin', 'berth-registry')];
  const program = besides.find((path) => existsSync(path)) ?? 'berth-registry';
  const child = spawn(program, args, { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal));
  return new Promise((resolve, reject) => {
    child.on('error', (error) => reject(new ExitError(1, `cannot run ${program}: ${error.message}`, error)));
    child.on('close', (code) => resolve(code ?? 1));
  });
}
