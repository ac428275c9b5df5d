// berth-runtime: the OCI runtime's command line, with runc's global flags, verbs and error outputs (docs/runtime.md).
import { writeSync } from 'node:fs';
import { OCI_VERSION } from '@berth/oci/runtime-spec';
import { ensureSealed } from '@berth/sys/sealed-program';
import { type Span, type SpanRecord, Tracer } from '@berth/trace/tracer';
import { type Arguments, type FlagSpec, parseArguments, textOf, usage } from './cli/arguments.ts';
import { checkpoint } from './cli/checkpoint.ts';
import { type Command, print, type Settings } from './cli/command.ts';
import { create } from './cli/create.ts';
import { preservedFds } from './cli/creating.ts';
import { deleteContainer } from './cli/delete.ts';
import { events } from './cli/events.ts';
import { exec } from './cli/exec.ts';
import { features } from './cli/features.ts';
import { kill } from './cli/kill.ts';
import { list } from './cli/list.ts';
import { Log } from './cli/log.ts';
import { NAME } from './cli/name.ts';
import { pause, resume } from './cli/pause.ts';
import { ps } from './cli/ps.ts';
import { restore } from './cli/restore.ts';
import { run } from './cli/run.ts';
import { spec } from './cli/spec.ts';
import { start } from './cli/start.ts';
import { state } from './cli/state.ts';
import { update } from './cli/update.ts';

const COMMANDS: Readonly<Record<string, Command>> = {
  checkpoint,
  create,
  delete: deleteContainer,
  events,
  exec,
  features,
  kill,
  list,
  pause,
  ps,
  restore,
  resume,
  run,
  spec,
  start,
  state,
  update,
};

const GLOBAL_FLAGS = {
  debug: { kind: 'flag', help: 'log what is done' },
  log: { kind: 'value', help: 'file for log messages (default: standard error)' },
  'log-format': { kind: 'value', help: 'text (default) or json' },
  root: { kind: 'value', help: 'directory for the state of containers (default: /run/berth/runtime)' },
  criu: { kind: 'value', help: 'the criu for checkpoint and restore (default: the one in $PATH)' },
  'systemd-cgroup': { kind: 'flag', help: 'let systemd make the cgroups; cgroupsPath is slice:prefix:name' },
  rootless: { kind: 'value', help: 'true, false or auto' },
  help: { kind: 'flag', short: 'h', help: 'show this' },
  version: { kind: 'flag', short: 'v', help: 'print the version' },
} as const satisfies Record<string, FlagSpec>;

const VERSION = '0.1.0';
/** Put there by scripts/build.ts, where it is known. */
const COMMIT = process.env.BERTH_COMMIT;
/** Characters. */
const LONGEST_MESSAGE = 8192;

async function main(words: readonly string[]): Promise<number> {
  let global: Arguments | undefined;
  let name = '';
  try {
    global = parseArguments(words, GLOBAL_FLAGS);
    if (global.flags.has('version')) {
      print(`${NAME} version ${VERSION}\n${COMMIT ? `commit: ${COMMIT}\n` : ''}spec: ${OCI_VERSION}\n`);
      return 0;
    }
    const [verb, ...rest] = global.rest;
    if (verb === undefined || verb === 'help' || global.flags.has('help')) {
      print(overview());
      return 0;
    }
    const command = COMMANDS[verb];
    if (!command) throw usage(`No help topic for '${verb}'`);
    name = verb;
    const parsed = parseArguments(
      rest,
      { ...command.flags, help: { kind: 'flag', short: 'h', help: 'show this' } },
      { permute: command.permute ?? false },
    );
    if (parsed.flags.has('help')) {
      print(commandHelp(verb, command));
      return 0;
    }
    if (command.forksInto) await ensureSealed(preservedFds(parsed));
    return await command.run(parsed, settingsOf(global, verb));
  } catch (error) {
    report(error, name, global);
    return COMMANDS[name]?.failure ?? 1;
  }
}

function settingsOf(global: Arguments, verb: string): Settings {
  const format = textOf(global, 'log-format') ?? 'text';
  if (format !== 'text' && format !== 'json') throw usage(`invalid log-format: "${format}"`);
  return {
    root: textOf(global, 'root') ?? '/run/berth/runtime',
    systemdCgroup: global.flags.has('systemd-cgroup'),
    criu: textOf(global, 'criu') || undefined,
    span: global.flags.has('debug') ? debugSpan(logOf(global), verb) : undefined,
    warn: (message) => logOf(global).write('warning', message),
  };
}

/** What runc logs of the same steps: there are scripts that look for it. */
const RUNC_STEPS: Readonly<Record<string, string>> = {
  fork: 'nsexec container setup',
  'init.namespaces': 'child process in init()',
  'init.identity': 'init: closing the pipe to signal completion',
  'runtime.exec': 'nsexec container setup; child process in init(); setns_init: about to exec',
};

/** Each step that the runtime times becomes a line of the log. */
function debugSpan(log: Log, verb: string): Span {
  const write = ({ name, startNs, endNs }: SpanRecord) => {
    const runc = RUNC_STEPS[name];
    log.write('debug', `${name}: ${((endNs - startNs) / 1e6).toFixed(2)} ms${runc ? ` (runc: ${runc})` : ''}`);
  };
  log.write('debug', `${verb}: begins`);
  return new Tracer('runtime', { write, flush() {} }).start(verb);
}

function logOf(global: Arguments | undefined): Log {
  return new Log({ file: global && textOf(global, 'log'), json: (global && textOf(global, 'log-format')) === 'json' });
}

/** What callers read: containerd the last error of the log file, people standard error. */
function report(error: unknown, verb: string, global: Arguments | undefined): void {
  const reason = oneLine(error instanceof Error ? error.message : String(error));
  const message =
    verb === 'create' || verb === 'run' || verb === 'start'
      ? `${NAME} ${verb} failed: ${reason}`
      : verb === 'exec'
        ? `exec failed: ${reason}`
        : reason;
  logOf(global).write('error', message);
  if (global?.flags.has('debug') && error instanceof Error) writeSync(2, `${error.stack}\n`);
}

/** Whatever a configuration or a program put into a message: callers read line by line, and nobody reads a megabyte. */
function oneLine(message: string): string {
  const line = message.trim().replaceAll(/[\r\n]+/g, ' ');
  const half = LONGEST_MESSAGE / 2;
  return line.length <= LONGEST_MESSAGE ? line : `${line.slice(0, half)} […] ${line.slice(-half)}`;
}

function overview(): string {
  const verbs = Object.entries(COMMANDS).map(([name, { help }]) => `   ${name.padEnd(12)}${help}\n`);
  return `NAME:\n   ${NAME} - Open Container Initiative runtime\n\nUSAGE:\n   ${NAME} [global options] COMMAND [options] [arguments...]\n\nCOMMANDS:\n${verbs.join('')}\nGLOBAL OPTIONS:\n${flagLines(GLOBAL_FLAGS)}`;
}

function commandHelp(name: string, command: Command): string {
  return `NAME:\n   ${NAME} ${name} - ${command.help}\n\nUSAGE:\n   ${NAME} ${name} ${command.usage}\n\nOPTIONS:\n${flagLines(command.flags)}`;
}

function flagLines(flags: Readonly<Record<string, FlagSpec>>): string {
  return Object.entries(flags)
    .map(
      ([name, { kind, short, help }]) =>
        `   ${`--${name}${short ? `, -${short}` : ''}${kind === 'flag' ? '' : ' value'}`.padEnd(30)}${help}\n`,
    )
    .join('');
}

process.exit(await main(process.argv.slice(2)));
