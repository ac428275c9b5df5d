// The `--name=value` words between an instruction and its arguments.
//
// Pure. Each instruction says which flags it takes; those that only BuildKit has are refused in dockerd's words.
import { syntaxError } from './syntax-error.ts';
import { splitWords } from './words.ts';

export interface Flags {
  /** All values of each flag, in order. */
  values: Map<string, string[]>;
  /** What follows the flags. */
  rest: string;
}

const BUILDKIT_ONLY: Record<string, readonly string[]> = {
  RUN: ['mount', 'network', 'security', 'device'],
  ADD: ['keep-git-dir'],
  COPY: ['parents'],
};

export function takeFlags(line: number, kind: string, text: string, known: readonly string[], escapeToken: string): Flags {
  const values = new Map<string, string[]>();
  let rest = text.trimStart();
  while (rest.startsWith('--')) {
    const [word = ''] = splitWords(rest, escapeToken);
    rest = rest.slice(word.length).trimStart();
    if (word === '--') break;
    const [, name = '', value] = /^--([^=]*)(?:=(.*))?$/s.exec(word) ?? [];
    if (BUILDKIT_ONLY[kind]?.includes(name)) {
      throw syntaxError(
        line,
        `the --${name} option requires BuildKit. Refer to https://docs.docker.com/go/buildkit/ to learn how to build images with BuildKit enabled`,
      );
    }
    if (!known.includes(name)) throw syntaxError(line, `unknown flag: --${name}`);
    if (value === undefined && name !== 'link') throw syntaxError(line, `missing a value on flag: --${name}`);
    values.set(name, [...(values.get(name) ?? []), value ?? 'true']);
  }
  return { values, rest };
}

/** The flag's one value. */
export function flagValue(line: number, flags: Flags, name: string): string | undefined {
  const values = flags.values.get(name);
  if (values && values.length > 1) throw syntaxError(line, `duplicate flag specified: --${name}`);
  return values?.[0];
}
