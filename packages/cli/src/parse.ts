// Reads a command line against a command's flags: yargs' parser underneath, docker's wordings and rules on top (long flags as
// --name value or --name=value, grouped short flags, `--` ends flags). Help itself is in help.ts, loaded only when it is asked for.
import Parser from 'yargs-parser';
import type { Command, Flag, Flags } from './command.ts';
import { EXIT_DAEMON, UsageError } from './exit.ts';

/** The flags and arguments of one command line, by the flags' long names. */
export class Arguments {
  readonly positional: string[];
  readonly #values: Record<string, unknown>;

  constructor(values: Record<string, unknown>, positional: string[]) {
    this.#values = values;
    this.positional = positional;
  }

  /** True when the flag stood on the command line. */
  given(name: string): boolean {
    return this.#values[name] !== undefined;
  }

  string(name: string): string | undefined {
    const value = this.#values[name];
    return value === undefined ? undefined : String(value);
  }

  boolean(name: string): boolean {
    return this.#values[name] === true;
  }

  number(name: string): number | undefined {
    return this.#values[name] as number | undefined;
  }

  list(name: string): string[] {
    return (this.#values[name] as string[] | undefined) ?? [];
  }

  /** The argument at a place that the command's `arguments.min` guarantees. */
  at(index: number): string {
    return this.positional[index] as string;
  }
}

const CONFIGURATION: Partial<Parser.Configuration> = {
  'boolean-negation': false,
  'camel-case-expansion': false,
  'combine-arrays': false,
  'dot-notation': false,
  'duplicate-arguments-array': true,
  'flatten-duplicate-arrays': false,
  'greedy-arrays': false,
  'nargs-eats-options': true,
  'parse-numbers': false,
  'parse-positional-numbers': false,
  'short-option-groups': true,
  'strip-aliased': true,
  'unknown-options-as-args': false,
};

/** Flags that stand before the command: `berth -H unix:///x ps`. */
export function splitGlobal(argv: readonly string[], flags: Flags): { global: Arguments; rest: string[] } {
  const parsed = parse(argv, flags, true);
  return { global: new Arguments(parsed.values, []), rest: parsed.positional };
}

/** Reads `argv` for a command; `name` is how the command was called (`run`, `container ls`). */
export function parseArguments(argv: readonly string[], command: Command, name: string): Arguments {
  if (command.verbatim) return new Arguments({ help: argv[0] === '--help' }, [...argv]);
  const { values, positional } = parse(argv, command.flags, command.stopAtArgument === true);
  if (values.help !== true) checkCount(positional.length, command, name);
  return new Arguments(values, positional);
}

function parse(argv: readonly string[], flags: Flags, halt: boolean): { values: Record<string, unknown>; positional: string[] } {
  const table: Flags = { ...flags, help: { type: 'boolean' } };
  const names = (wanted: (flag: Flag) => boolean) => Object.keys(table).filter((name) => wanted(table[name] as Flag));
  const alias = Object.fromEntries(Object.entries(table).flatMap(([name, flag]) => (flag.alias ? [[name, flag.alias]] : [])));
  const before = argv.indexOf('--') < 0 ? argv : argv.slice(0, argv.indexOf('--'));
  const parsed = Parser.detailed([...argv], {
    alias,
    array: names((flag) => flag.array === true),
    boolean: names((flag) => flag.type === 'boolean'),
    string: names((flag) => flag.type !== 'boolean'),
    narg: Object.fromEntries(names((flag) => flag.type !== 'boolean' && !flag.array).map((name) => [name, 1])),
    configuration: { ...CONFIGURATION, 'halt-at-non-option': halt, 'populate--': false },
  });
  const short = new Set(Object.values(alias));
  const values: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(parsed.argv)) {
    if (key === '_') continue;
    const flag = table[key];
    if (!flag) {
      if (short.has(key)) continue;
      throw new UsageError(
        key.length === 1 ? `unknown shorthand flag: '${key}' in ${tokenWith(before, key)}` : `unknown flag: --${key}`,
        EXIT_DAEMON,
      );
    }
    values[key] = convert(key, flag, value);
  }
  if (parsed.error) throw new UsageError(wording(parsed.error.message, table), EXIT_DAEMON);
  return { values, positional: parsed.argv._.map(String) };
}

function convert(name: string, flag: Flag, value: unknown): unknown {
  if (flag.array) {
    const list = (Array.isArray(value) ? value : [value]).flat().map(String);
    if (list.length === 0) throw needsArgument(name, flag);
    return list;
  }
  const last = Array.isArray(value) ? value.at(-1) : value;
  if (flag.type === 'boolean') {
    if (typeof last === 'boolean') return last;
    throw invalid(name, flag, String(last), `strconv.ParseBool: parsing "${String(last)}": invalid syntax`);
  }
  if (last === undefined) throw needsArgument(name, flag);
  if (flag.type === 'string') return String(last);
  const text = String(last);
  if (!/^[+-]?\d+$/.test(text)) throw invalid(name, flag, text, `strconv.ParseInt: parsing "${text}": invalid syntax`);
  return Number(text);
}

/** The error of a flag's value, worded as docker's flag library words it. */
export function invalid(name: string, flag: Flag | undefined, value: string, why: string): UsageError {
  const spelled = flag?.alias ? `-${flag.alias}, --${name}` : `--${name}`;
  return new UsageError(`invalid argument "${value}" for "${spelled}" flag: ${why}`, EXIT_DAEMON);
}

function needsArgument(name: string, flag: Flag): UsageError {
  return new UsageError(`flag needs an argument: ${flag.alias ? `'${flag.alias}' in -${flag.alias}` : `--${name}`}`, EXIT_DAEMON);
}

function wording(message: string, table: Flags): string {
  const name = /following: (\S+)/.exec(message)?.[1];
  if (!name) return message;
  return `flag needs an argument: ${table[name] ? `--${name}` : `'${name}' in -${name}`}`;
}

function tokenWith(argv: readonly string[], letter: string): string {
  return argv.find((token) => /^-[^-]/.test(token) && token.includes(letter)) ?? `-${letter}`;
}

function checkCount(count: number, command: Command, name: string): void {
  const { min, max } = command.arguments;
  if (count >= min && (max === undefined || count <= max)) return;
  const plural = (number: number) => (number === 1 ? 'argument' : 'arguments');
  const wants =
    max === 0
      ? 'accepts no arguments'
      : min === max
        ? `requires ${min} ${plural(min)}`
        : count < min
          ? `requires at least ${min} ${plural(min)}`
          : `requires at most ${max} ${plural(max ?? 0)}`;
  throw new UsageError(`berth: 'berth ${name}' ${wants}`, 1);
}
