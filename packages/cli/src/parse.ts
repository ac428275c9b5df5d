// Reads a command line against a command's flags, by the grammar of docker's own flag library (spf13/pflag) and in its words: long flags
// as --name value or --name=value, switches that take a value only behind `=`, grouped short flags, `--` ends flags. Help itself is in
// help.ts, loaded only when it is asked for.
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

interface Parsed {
  values: Record<string, unknown>;
  positional: string[];
}

/** `halt`: the first argument ends the flags. */
function parse(argv: readonly string[], flags: Flags, halt: boolean): Parsed {
  const table: Flags = { ...flags, help: { type: 'boolean' } };
  const parsed: Parsed = { values: {}, positional: [] };
  for (let at = 0; at < argv.length; at++) {
    const token = argv[at] as string;
    if (token === '--') {
      parsed.positional.push(...argv.slice(at + 1));
      break;
    }
    if (token.startsWith('--')) at += long(token, argv[at + 1], table, parsed.values);
    else if (token.startsWith('-') && token !== '-') at += short(token, argv[at + 1], table, parsed.values);
    else if (halt) {
      parsed.positional.push(...argv.slice(at));
      break;
    } else parsed.positional.push(token);
  }
  return parsed;
}

/** `--name`, `--name value`, `--name=value`; how many further words it took. */
function long(token: string, next: string | undefined, table: Flags, values: Parsed['values']): number {
  const cut = token.indexOf('=');
  const name = token.slice(2, cut < 0 ? undefined : cut);
  if (name === '' || name.startsWith('-')) throw usage(`bad flag syntax: ${token}`);
  const flag = Object.hasOwn(table, name) ? table[name] : undefined;
  if (!flag) throw usage(`unknown flag: --${name}`);
  const given = cut < 0 ? undefined : token.slice(cut + 1);
  if (given !== undefined || flag.type === 'boolean') {
    set(values, name, flag, given ?? 'true');
    return 0;
  }
  if (next === undefined) throw usage(`flag needs an argument: --${name}`);
  set(values, name, flag, next);
  return 1;
}

/** `-a`, `-abc`, `-p80`, `-p=80`, `-p 80`: switches until one takes the rest, or the next word, as its value. */
function short(token: string, next: string | undefined, table: Flags, values: Parsed['values']): number {
  for (let at = 1; at < token.length; at++) {
    const letter = token[at] as string;
    const rest = token.slice(at + 1);
    const [name, flag] = Object.entries(table).find(([, { alias }]) => alias === letter) ?? [];
    if (!name || !flag) throw usage(`unknown shorthand flag: '${letter}' in -${token.slice(at)}`);
    if (rest.startsWith('=')) {
      set(values, name, flag, rest.slice(1));
      return 0;
    }
    if (flag.type === 'boolean') {
      set(values, name, flag, 'true');
      continue;
    }
    if (rest === '' && next === undefined) throw usage(`flag needs an argument: '${letter}' in -${token.slice(at)}`);
    set(values, name, flag, rest === '' ? (next as string) : rest);
    return rest === '' ? 1 : 0;
  }
  return 0;
}

const BOOLEANS: Record<string, boolean> = {
  ...Object.fromEntries(['1', 't', 'T', 'true', 'TRUE', 'True'].map((text) => [text, true])),
  ...Object.fromEntries(['0', 'f', 'F', 'false', 'FALSE', 'False'].map((text) => [text, false])),
};

function set(values: Parsed['values'], name: string, flag: Flag, text: string): void {
  if (flag.array) values[name] = [...((values[name] as string[] | undefined) ?? []), text];
  else if (flag.type === 'boolean') {
    if (!Object.hasOwn(BOOLEANS, text)) throw invalid(name, flag, text, `strconv.ParseBool: parsing "${text}": invalid syntax`);
    values[name] = BOOLEANS[text];
  } else if (flag.type === 'number') {
    if (!/^[+-]?\d+$/.test(text)) throw invalid(name, flag, text, `strconv.ParseInt: parsing "${text}": invalid syntax`);
    values[name] = Number(text);
  } else values[name] = text;
}

function usage(message: string): UsageError {
  return new UsageError(message, EXIT_DAEMON);
}

/** The error of a flag's value, worded as docker's flag library words it. */
export function invalid(name: string, flag: Flag | undefined, value: string, why: string): UsageError {
  const spelled = flag?.alias ? `-${flag.alias}, --${name}` : `--${name}`;
  return new UsageError(`invalid argument "${value}" for "${spelled}" flag: ${why}`, EXIT_DAEMON);
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
  throw new UsageError(`berth: 'berth ${name}' ${wants}`, 1, min !== max && count < min ? 'See' : 'Run');
}
