// The command line of berth-lifecycle: containerd's flags, its `config` command, and flags of Berth's own. What a flag does not say, the
// file of --config may; what neither says has its default.
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { EngineError } from '@berth/errdefs/engine-error';
import { type Config, LOG_LEVELS } from './config/keys.ts';
import { printConfig } from './config/print.ts';
import { defaultConfig, readConfig } from './config/read.ts';
import { parseAliases } from './tasks/runtime-aliases.ts';
import { REVISION, VERSION } from './version.ts';

export interface Settings extends Config {
  /** Where spans are recorded. */
  traceDir: string | undefined;
  /** What the configuration file says that has no effect. */
  warnings: readonly string[];
}

/** sun_path without its last zero. */
const LONGEST_SOCKET_PATH = 107;

const USAGE = `Usage: berth-lifecycle [flags] [config default|dump]

The lifecycle service: images, snapshots, containers and their tasks, behind containerd's gRPC API.
\`config default\` prints a configuration file with the defaults, \`config dump\` one with the settings in force.

  --root DIR          what lasts (default /var/lib/berth/lifecycle)
  --state DIR         what ends with the machine (default /run/berth/lifecycle)
  -a, --address PATH  gRPC socket (default <state>/lifecycle.sock); ttrpc is served on PATH.ttrpc
  -c, --config FILE   containerd's config.toml
  -l, --log-level L   ${LOG_LEVELS.join(', ')} (default info)
  --trace-dir DIR     record spans, one file a trace
  --plain-shims       start every shim as a program of its own, without the zygote
  --runtime-alias A=B start runtime B where A is asked for, e.g. io.containerd.runc.v2=io.containerd.berth.v1 (repeatable)
  -v, --version       print the version
`;

/** The settings, or the text that is to be printed instead of serving. InvalidArgument for a command line that is none. */
export function parseSettings(argv: readonly string[]): Settings | { print: string } {
  const { values, positionals } = parse(argv);
  if (values.help) return { print: USAGE };
  if (values.version) return { print: `berth-lifecycle ${VERSION} ${REVISION}\n` };
  const command = positionals.join(' ');
  if (command === 'config default') return { print: printConfig(defaultConfig()) };
  if (command !== '' && command !== 'config dump') throw refuse(`unexpected argument "${command}"`);
  const { config, warnings } = values.config === undefined ? { config: defaultConfig(), warnings: [] } : readConfig(values.config);
  const settings = settle({
    ...config,
    root: values.root ?? config.root,
    state: values.state ?? config.state,
    address: values.address ?? config.address,
    logLevel: logLevelOf(values['log-level'] ?? config.logLevel),
    plainShims: values['plain-shims'] ?? config.plainShims,
    runtimeAliases: { ...config.runtimeAliases, ...parseAliases(values['runtime-alias'] ?? []) },
  });
  if (command === 'config dump') return { print: printConfig(settings) };
  return { ...settings, traceDir: values['trace-dir'] === undefined ? undefined : resolve(values['trace-dir']), warnings };
}

/** Absolute paths, and those that follow from others. */
function settle(config: Config): Config {
  const state = resolve(config.state);
  const address = socketPath(config.address || `${state}/lifecycle.sock`);
  const eventsAddress = socketPath(config.eventsAddress || `${address}.ttrpc`);
  return { ...config, root: resolve(config.root), state, address, eventsAddress };
}

function socketPath(address: string): string {
  const path = resolve(address.replace(/^unix:(\/\/)?/, ''));
  if (Buffer.byteLength(path) <= LONGEST_SOCKET_PATH) return path;
  throw refuse(`the socket's path ${path} is longer than ${LONGEST_SOCKET_PATH} bytes; use a shorter --address`);
}

function logLevelOf(level: string): Config['logLevel'] {
  const known = LOG_LEVELS.find((each) => each === level);
  if (!known) throw refuse(`unknown log level "${level}"; there are ${LOG_LEVELS.join(', ')}`);
  return known;
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

function refuse(message: string): EngineError {
  return new EngineError('InvalidArgument', `${message} (berth-lifecycle --help)`, { layer: 'lifecycle' });
}
