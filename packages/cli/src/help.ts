// Help texts, drawn by yargs. Loaded only for --help, so that no other command pays for it.
import yargs from 'yargs';
import type { Command } from './command.ts';
import { COMMANDS } from './registry.ts';

/** The help of one command. */
export async function commandHelp(command: Command): Promise<string> {
  const builder = yargs([])
    .scriptName('')
    .locale('en')
    .help(false)
    .version(false)
    .wrap(Math.min(process.stdout.columns || 80, 120))
    .usage(`Usage:  berth ${command.usage}\n\n${command.description}`)
    .updateStrings({ 'Options:': 'Options:' });
  for (const [name, flag] of Object.entries(command.flags)) {
    if (flag.hidden) continue;
    const { alias, array, choices, default: standard, description, type } = flag;
    builder.option(name, {
      ...(alias ? { alias } : {}),
      ...(array ? { array } : {}),
      ...(choices ? { choices } : {}),
      ...(standard !== undefined ? { default: standard } : {}),
      ...(description ? { description } : {}),
      type,
    });
  }
  return builder.getHelp();
}

/** The nouns that commands are grouped by. */
const GROUPS: Record<string, string> = {
  builder: 'Manage builds',
  checkpoint: 'Manage checkpoints',
  container: 'Manage containers',
  context: 'Manage contexts',
  image: 'Manage images',
  manifest: 'Manage image manifests and manifest lists',
  network: 'Manage networks',
  registry: 'Serve images to other engines',
  system: 'Manage Berth',
  volume: 'Manage volumes',
};

/** The list of commands that `berth`, `berth --help` and `berth container` print. */
export function overview(group?: string): string {
  const rows = (entries: { name: string; summary: string }[]) => {
    const width = Math.max(...entries.map((entry) => entry.name.length), 10) + 2;
    return entries.map((entry) => `  ${entry.name.padEnd(width)}${entry.summary}`).join('\n');
  };
  if (group) {
    const entries = COMMANDS.filter((entry) => entry.group === group && !entry.hidden).map((entry) => ({ ...entry, name: entry.verb }));
    return `Usage:  berth ${group} COMMAND\n\n${GROUPS[group]}\n\nCommands:\n${rows(entries)}\n\nRun 'berth ${group} COMMAND --help' for more information on a command.`;
  }
  const top = COMMANDS.filter((entry) => entry.alias !== undefined).map((entry) => ({ ...entry, name: entry.alias as string }));
  const groups = rows(Object.entries(GROUPS).map(([name, summary]) => ({ name, summary })));
  return [
    'Usage:  berth [OPTIONS] COMMAND',
    'A container engine: open at every seam',
    `Management Commands:\n${groups}`,
    `Commands:\n${rows(top.sort((a, b) => a.name.localeCompare(b.name)))}`,
    `Global Options:
      --config string      Location of client config files
  -c, --context string     Name of the context to use
  -D, --debug              Show the cause of every error
  -H, --host string        Daemon to connect to
      --tls                Use TLS; implied by --tlsverify
      --tlscacert string   Trust certificates signed only by this CA
      --tlscert string     Path to TLS certificate file
      --tlskey string      Path to TLS key file
      --tlsverify          Use TLS and verify the remote
  -v, --version            Print version information and quit`,
    "Run 'berth COMMAND --help' for more information on a command.",
  ].join('\n\n');
}
