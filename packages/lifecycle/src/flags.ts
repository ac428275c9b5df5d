// The command line of berth-lifecycle: containerd's flags, and --trace-dir. What a flag does not say, --config may: containerd's
// config.toml, of which root, state, [grpc] address, [debug] level are read and the rest is left alone.
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { EngineError } from '@berth/errdefs/engine-error';

export interface Settings {
  /** What lasts: metadata, content, snapshots. */
  root: string;
  /** What ends with the machine: bundles, sockets of shims. */
  state: string;
  /** The gRPC socket's path; ttrpc's is `<address>.ttrpc`. */
  address: string;
  logLevel: LogLevel;
  traceDir: string | undefined;
  /** Starts shims as programs of their own, without the zygote. */
  plainShims: boolean;
  /** FROM=TO: which runtime is started when FROM is asked for. */
  runtimeAliases: readonly string[];
}

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** sun_path without its last zero, less what is appended. */
const LONGEST_SOCKET_PATH = 107 - '.ttrpc'.length;

export const USAGE = `Usage: berth-lifecycle [flags]

The lifecycle service: images, snapshots, containers and their tasks, behind containerd's gRPC API.

  --root DIR          what lasts (default /var/lib/berth/lifecycle)
  --state DIR         what ends with the machine (default /run/berth/lifecycle)
  -a, --address PATH  gRPC socket (default <state>/lifecycle.sock); ttrpc is served on PATH.ttrpc
  -c, --config FILE   containerd's config.toml: root, state, [grpc] address, [debug] level
  -l, --log-level L   ${LOG_LEVELS.join(', ')} (default info)
  --trace-dir DIR     record spans, one file a trace
  --plain-shims       start every shim as a program of its own, without the zygote
  --runtime-alias A=B start runtime B where A is asked for, e.g. io.containerd.runc.v2=io.containerd.berth.v1 (repeatable)
  -v, --version       print the version
`;

/** The settings, or what is to be printed instead of serving. InvalidArgument for a command line that is none. */
export function parseSettings(argv: readonly string[]): Settings | 'version' | 'help' {
  const { values, positionals } = parse(argv);
  if (values.help) return 'help';
  if (values.version) return 'version';
  if (positionals.length > 0) throw refuse(`unexpected argument "${positionals[0]}"`);
  const file = values.config === undefined ? {} : readConfig(values.config);
  const state = resolve(values.state ?? file.state ?? '/run/berth/lifecycle');
  const address = resolve((values.address ?? file['grpc.address'] ?? join(state, 'lifecycle.sock')).replace(/^unix:(\/\/)?/, ''));
  if (Buffer.byteLength(address) > LONGEST_SOCKET_PATH)
    throw refuse(`the socket's path ${address} is longer than ${LONGEST_SOCKET_PATH} bytes; use a shorter --address`);
  const level = values['log-level'] ?? file['debug.level'] ?? 'info';
  const logLevel = LOG_LEVELS.find((known) => known === (level === 'panic' ? 'fatal' : level));
  if (!logLevel) throw refuse(`unknown log level "${level}"; there are ${LOG_LEVELS.join(', ')}`);
  return {
    root: resolve(values.root ?? file.root ?? '/var/lib/berth/lifecycle'),
    state,
    address,
    logLevel,
    traceDir: values['trace-dir'] === undefined ? undefined : resolve(values['trace-dir']),
    plainShims: values['plain-shims'] ?? false,
    runtimeAliases: values['runtime-alias'] ?? [],
  };
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        root: { type: 'string' },
        state: { type: 'string' },
        address: { type: 'string', short: 'a' },
        config: { type: 'string', short: 'c' },
        'log-level': { type: 'string', short: 'l' },
        'trace-dir': { type: 'string' },
        'plain-shims': { type: 'boolean' },
        'runtime-alias': { type: 'string', multiple: true },
        version: { type: 'boolean', short: 'v' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw refuse((error as Error).message);
  }
}

type ConfigKey = 'root' | 'state' | 'grpc.address' | 'debug.level';

/** The strings of a TOML file that this service knows. */
function readConfig(path: string): Partial<Record<ConfigKey, string>> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new EngineError('InvalidArgument', `cannot read the configuration file ${path}: ${(cause as Error).message}`, {
      layer: 'lifecycle',
      cause,
    });
  }
  const values: Record<string, string> = {};
  let section = '';
  for (const line of text.split('\n')) {
    const header = /^\s*\[([^\]]+)\]/.exec(line);
    if (header) section = `${header[1]?.trim()}.`;
    const entry = /^\s*([A-Za-z_]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|'([^']*)')/.exec(line);
    if (entry) values[section + entry[1]] = entry[3] ?? (JSON.parse(`"${entry[2]}"`) as string);
  }
  return values;
}

function refuse(message: string): EngineError {
  return new EngineError('InvalidArgument', `${message} (berth-lifecycle --help)`, { layer: 'lifecycle' });
}
