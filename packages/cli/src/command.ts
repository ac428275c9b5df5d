// What a verb of the command line is: its usage, its flags as yargs describes options, and what it does. One file a verb exports one
// Command; registry.ts finds the file by the words that were typed and loads no other.
import type { Options } from 'yargs';
import type { Context } from './context.ts';
import type { Arguments } from './parse.ts';

/** One flag. `type: 'number'` takes whole numbers; `array` collects repetitions; `placeholder` names the value in help and errors. */
export interface Flag extends Pick<Options, 'alias' | 'array' | 'choices' | 'default' | 'description' | 'hidden'> {
  type: 'string' | 'boolean' | 'number';
  alias?: string;
}

export type Flags = Record<string, Flag>;

export interface Command {
  /** Without the program's name: `run [OPTIONS] IMAGE [COMMAND] [ARG...]`. */
  usage: string;
  description: string;
  flags: Flags;
  /** How many arguments it takes; `max` absent means any number. */
  arguments: { min: number; max?: number };
  /** Flags end at the first argument: what follows belongs to the container's command. */
  stopAtArgument?: boolean;
  /** Whatever follows the command is another program's command line. */
  verbatim?: boolean;
  /** The exit code; 0 when nothing is returned. */
  run(context: Context, args: Arguments): Promise<number | undefined> | Promise<void>;
}
