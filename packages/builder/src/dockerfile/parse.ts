// A Dockerfile's text as instructions: each instruction's own grammar.
//
// Pure. Facts: the Dockerfile reference; wordings of errors are dockerd's.
import { parseDuration } from '@berth/api/units';
import { flagValue, takeFlags } from './flags.ts';
import type { Command, HealthcheckInstruction, Instruction, InstructionBody } from './instruction.ts';
import { heredocMarks, type LogicalLine, logicalLines } from './lines.ts';
import { syntaxError } from './syntax-error.ts';
import { splitWords } from './words.ts';

export interface Dockerfile {
  escapeToken: string;
  instructions: Instruction[];
}

export function parseDockerfile(source: string): Dockerfile {
  const { escapeToken, lines } = logicalLines(source);
  return { escapeToken, instructions: lines.map((line) => parseInstruction(line, escapeToken)) };
}

/** One instruction, as ONBUILD triggers are kept in an image. */
export function parseTrigger(text: string, escapeToken: string): Instruction {
  const { lines } = logicalLines(text);
  const [line] = lines;
  if (line === undefined || lines.length > 1) throw syntaxError(1, `an ONBUILD trigger has to be one instruction: ${text}`);
  return parseInstruction(line, escapeToken);
}

export function parseInstruction(line: LogicalLine, escapeToken: string): Instruction {
  const [, word = '', rest = ''] = /^(\S+)\s*([\s\S]*)$/.exec(line.text) ?? [];
  return { ...parseBody(line, word.toUpperCase(), word, rest, escapeToken), line: line.number, original: line.text };
}

function parseBody(line: LogicalLine, kind: string, word: string, text: string, escapeToken: string): InstructionBody {
  const fail = (message: string) => syntaxError(line.number, message);
  const flags = (...known: string[]) => takeFlags(line.number, kind, text, known, escapeToken);
  switch (kind) {
    case 'FROM': {
      const { values, rest } = flags('platform');
      const words = splitWords(rest, escapeToken);
      const [image, as, name] = words;
      if (image === undefined || (words.length !== 1 && !(words.length === 3 && as?.toLowerCase() === 'as')))
        throw fail('FROM requires either one or three arguments');
      if (name !== undefined && !/^[a-z][a-z0-9\-_.]*$/i.test(name)) {
        throw fail(`invalid name for build stage: "${name}", name can't start with a number or contain symbols`);
      }
      return { kind, image, stageName: name?.toLowerCase(), platform: values.get('platform')?.[0] };
    }
    case 'ARG': {
      const words = splitWords(flags().rest, escapeToken);
      if (words.length === 0) throw fail('ARG requires at least one argument');
      return { kind, args: words.map((each) => argument(each, fail)) };
    }
    case 'RUN':
      return { kind, command: runCommand(line, flags().rest, fail) };
    case 'CMD':
    case 'ENTRYPOINT': {
      const { rest } = flags();
      if (kind === 'ENTRYPOINT' && rest === '') throw fail('ENTRYPOINT requires at least one argument');
      return { kind, command: command(rest) };
    }
    case 'COPY':
    case 'ADD': {
      const known = kind === 'COPY' ? ['from', 'chown', 'chmod', 'link', 'exclude'] : ['chown', 'chmod', 'link', 'exclude', 'checksum'];
      const found = flags(...known);
      const words = jsonList(found.rest) ?? splitWords(found.rest, escapeToken);
      const destination = words.at(-1);
      if (destination === undefined)
        throw fail(`${kind} requires at least two arguments, but none were provided. Destination could not be determined.`);
      if (words.length < 2)
        throw fail(`${kind} requires at least two arguments, but only one was provided. Destination could not be determined.`);
      return {
        kind,
        sources: words.slice(0, -1),
        destination,
        heredocs: line.heredocs,
        from: flagValue(line.number, found, 'from'),
        chown: flagValue(line.number, found, 'chown'),
        chmod: flagValue(line.number, found, 'chmod'),
        exclude: found.values.get('exclude') ?? [],
        checksum: flagValue(line.number, found, 'checksum'),
      };
    }
    case 'ENV':
    case 'LABEL':
      return { kind, pairs: pairs(kind, flags().rest, escapeToken, fail) };
    case 'EXPOSE': {
      const ports = splitWords(flags().rest, escapeToken);
      if (ports.length === 0) throw fail('EXPOSE requires at least one argument');
      return { kind, ports };
    }
    case 'VOLUME': {
      const { rest } = flags();
      const paths = jsonList(rest) ?? splitWords(rest, escapeToken);
      if (paths.length === 0) throw fail('VOLUME requires at least one argument');
      if (paths.some((path) => path.trim() === '')) throw fail('VOLUME specified can not be an empty string');
      return { kind, paths };
    }
    case 'WORKDIR':
    case 'USER':
    case 'STOPSIGNAL':
    case 'MAINTAINER': {
      const { rest } = flags();
      const several = kind !== 'WORKDIR' && kind !== 'MAINTAINER' && splitWords(rest, escapeToken).length > 1;
      if (rest === '' || several) throw fail(`${kind} requires exactly one argument`);
      return { kind, value: rest };
    }
    case 'SHELL': {
      const args = jsonList(flags().rest);
      if (args === undefined) throw fail('SHELL requires the arguments to be in JSON form');
      if (args.length === 0) throw fail('SHELL requires at least one argument');
      return { kind, args };
    }
    case 'HEALTHCHECK':
      return healthcheck(line.number, text, escapeToken, fail);
    case 'ONBUILD': {
      const trigger = flags().rest;
      const [first = ''] = splitWords(trigger, escapeToken);
      if (trigger === '') throw fail('ONBUILD requires at least one argument');
      if (/^ONBUILD$/i.test(first)) throw fail("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
      if (/^(FROM|MAINTAINER)$/i.test(first)) throw fail(`${first.toUpperCase()} isn't allowed as an ONBUILD trigger`);
      // Its grammar is checked now, its effect comes with the image's child.
      parseInstruction({ ...line, text: trigger }, escapeToken);
      return { kind, trigger: [trigger, ...line.heredocs.flatMap(({ text: body, name }) => [body.replace(/\n$/, ''), name])].join('\n') };
    }
    default:
      throw fail(`unknown instruction: ${word}`);
  }
}

type Fail = (message: string) => Error;

function argument(word: string, fail: Fail): { name: string; value?: string } {
  const equals = word.indexOf('=');
  if (equals < 0) return { name: word };
  if (equals === 0) throw fail('ARG names can not be blank');
  return { name: word.slice(0, equals), value: word.slice(equals + 1) };
}

function command(text: string): Command {
  const args = jsonList(text);
  return args === undefined ? { form: 'shell', text } : { form: 'exec', args };
}

/** A here-document alone is the script; beside a command it is that command's input, which the shell itself arranges. */
function runCommand(line: LogicalLine, text: string, fail: Fail): Command {
  if (text === '') throw fail('RUN requires at least one argument');
  const [document] = line.heredocs;
  if (document === undefined) return command(text);
  if (heredocMarks(text).length === 1 && /^<<-?(["']?)\w+\1$/.test(text.trim())) {
    if (/^#!(?!\s*\/bin\/(ba)?sh\b)/.test(document.text))
      throw fail('a here-document with an interpreter of its own requires BuildKit; write RUN interpreter <<EOF');
    return { form: 'shell', text: document.text };
  }
  return { form: 'shell', text: [text, ...line.heredocs.map((each) => `${each.text}${each.name}`)].join('\n') };
}

/** The JSON form; undefined for anything that is not a list of strings. */
function jsonList(text: string): string[] | undefined {
  if (!text.trimStart().startsWith('[')) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) && value.every((item) => typeof item === 'string') ? value : undefined;
  } catch {
    return undefined;
  }
}

/** `a=b c="d e"`, or the old `name the rest of the line`. */
function pairs(kind: string, text: string, escapeToken: string, fail: Fail): { name: string; value: string }[] {
  const words = splitWords(text, escapeToken);
  const [first] = words;
  if (first === undefined) throw fail(`${kind} requires at least one argument`);
  if (!first.includes('=')) {
    const [, name = '', value] = /^(\S+)\s+([\s\S]*)$/.exec(text.trim()) ?? [];
    if (value === undefined) throw fail(`${kind} must have two arguments`);
    return [{ name, value }];
  }
  return words.map((word) => {
    const equals = word.indexOf('=');
    if (equals < 0) throw fail(`Syntax error - can't find = in "${word}". Must be of the form: name=value`);
    if (equals === 0) throw fail(`${kind} names can not be blank`);
    return { name: word.slice(0, equals), value: word.slice(equals + 1) };
  });
}

function healthcheck(line: number, text: string, escapeToken: string, fail: Fail): HealthcheckInstruction {
  const flags = takeFlags(line, 'HEALTHCHECK', text, ['interval', 'timeout', 'start-period', 'start-interval', 'retries'], escapeToken);
  const [, type = '', rest = ''] = /^(\S*)\s*([\s\S]*)$/.exec(flags.rest) ?? [];
  const duration = (name: string) => {
    const value = flagValue(line, flags, name);
    return value === undefined ? 0 : interval(value, name, fail);
  };
  const retries = Number(flagValue(line, flags, 'retries') ?? 0);
  if (!Number.isInteger(retries) || retries < 0) throw fail(`--retries must be at least 1 (not ${retries})`);
  const none = { kind: 'HEALTHCHECK' as const, test: ['NONE'], interval: 0, timeout: 0, startPeriod: 0, startInterval: 0, retries: 0 };
  switch (type.toUpperCase()) {
    case 'NONE':
      if (rest !== '') throw fail('HEALTHCHECK NONE takes no arguments');
      return none;
    case 'CMD': {
      if (rest === '') throw fail('Missing command after HEALTHCHECK CMD');
      const parsed = command(rest);
      return {
        ...none,
        test: parsed.form === 'exec' ? ['CMD', ...parsed.args] : ['CMD-SHELL', parsed.text],
        interval: duration('interval'),
        timeout: duration('timeout'),
        startPeriod: duration('start-period'),
        startInterval: duration('start-interval'),
        retries,
      };
    }
    case '':
      throw fail('HEALTHCHECK requires at least one argument');
    default:
      throw fail(`Unknown type "${type.toUpperCase()}" in HEALTHCHECK (try CMD)`);
  }
}

/** Nanoseconds; 0 stands for the default. */
function interval(text: string, name: string, fail: Fail): number {
  const duration = parseDuration(text);
  if (duration === undefined) throw fail(`time: invalid duration "${text}"`);
  if (duration !== 0 && duration < 1e6) throw fail(`Interval "${name}" cannot be less than 1ms`);
  return duration;
}
