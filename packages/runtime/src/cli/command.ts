// What a verb of berth-runtime is, and what all verbs get from the global flags.
import { writeSync } from 'node:fs';
import type { Span } from '@berth/trace/tracer';
import type { Arguments, FlagSpec } from './arguments.ts';

export interface Settings {
  /** The directory of the state directories. */
  root: string;
  systemdCgroup: boolean;
  /** The criu to use instead of the one in PATH. */
  criu: string | undefined;
  /** With --debug: what the verb does is logged by its spans. */
  span: Span | undefined;
  warn(message: string): void;
}

export interface Command {
  /** What follows the name in the usage line. */
  usage: string;
  help: string;
  flags: Readonly<Record<string, FlagSpec>>;
  /** The exit code when it fails, by default 1. */
  failure?: number;
  /** Flags may also follow the arguments. */
  permute?: boolean;
  /** Its process, forked, becomes one of a container: it must run a program that nobody there can write to. */
  forksInto?: true;
  /** The exit code. */
  run(parsed: Arguments, settings: Settings): number | Promise<number>;
}

/** Whole, though standard output may be a pipe that takes less at once. */
export function print(text: string): void {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(1, bytes, at);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
    }
  }
}
