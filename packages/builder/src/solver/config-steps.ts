// The instructions that change the configuration and no file.
//
// Pure. Facts: the Dockerfile reference; wordings are dockerd's.
import { EngineError } from '@berth/errdefs/engine-error';
import type { ExecutionConfig } from '@berth/oci/image-spec';
import type { Command, Instruction } from '../dockerfile/instruction.ts';
import { expandWord, expandWords, type Lookup } from '../dockerfile/words.ts';
import type { ImageState } from './backend.ts';
import { shellOf } from './image-state.ts';

export interface ConfigStep {
  /** The instruction with its variables filled in: history and cache key. */
  text: string;
  config: Partial<ExecutionConfig>;
  author?: string;
}

export interface StepScope {
  lookup: Lookup;
  escapeToken: string;
  /** CMD was set in this stage: ENTRYPOINT then leaves it. */
  cmdSet: boolean;
}

/** Undefined for instructions that are more than configuration. */
export function configStep(
  state: ImageState,
  instruction: Instruction,
  { lookup, escapeToken, cmdSet }: StepScope,
): ConfigStep | undefined {
  const config = state.config.config ?? {};
  const word = (text: string) => expandWord(text, lookup, escapeToken);
  switch (instruction.kind) {
    case 'ENV': {
      const pairs = instruction.pairs.map(({ name, value }) => [word(name), word(value)] as const);
      return { text: `ENV ${pairs.map(pairText).join(' ')}`, config: { Env: setEnvironment(config.Env ?? [], pairs) } };
    }
    case 'LABEL': {
      const pairs = instruction.pairs.map(({ name, value }) => [word(name), word(value)] as const);
      return { text: `LABEL ${pairs.map(pairText).join(' ')}`, config: { Labels: { ...config.Labels, ...Object.fromEntries(pairs) } } };
    }
    case 'CMD': {
      const argv = commandLine(state, instruction.command);
      return { text: `CMD ${listText(argv)}`, config: { Cmd: argv } };
    }
    case 'ENTRYPOINT': {
      const argv = commandLine(state, instruction.command);
      // The base image's command was meant for its own entrypoint.
      return { text: `ENTRYPOINT ${listText(argv)}`, config: { Entrypoint: argv, ...(cmdSet ? {} : { Cmd: undefined }) } };
    }
    case 'EXPOSE': {
      const ports = instruction.ports
        .flatMap((port) => expandWords(port, lookup, escapeToken))
        .flatMap(exposedPorts)
        .sort();
      return {
        text: `EXPOSE ${ports.join(' ')}`,
        config: { ExposedPorts: { ...config.ExposedPorts, ...Object.fromEntries(ports.map((port) => [port, {}])) } },
      };
    }
    case 'VOLUME': {
      const paths = instruction.paths.map(word);
      return {
        text: `VOLUME ${listText(paths)}`,
        config: { Volumes: { ...config.Volumes, ...Object.fromEntries(paths.map((path) => [path, {}])) } },
      };
    }
    case 'USER': {
      const user = word(instruction.value);
      return { text: `USER ${user}`, config: { User: user } };
    }
    case 'STOPSIGNAL': {
      const signal = word(instruction.value);
      if (!/^(\d+|(SIG)?[A-Z][A-Z0-9+-]*)$/.test(signal))
        throw new EngineError('InvalidArgument', `invalid signal: ${signal}`, { layer: 'builder' });
      return { text: `STOPSIGNAL ${signal}`, config: { StopSignal: signal } };
    }
    case 'SHELL':
      return { text: `SHELL ${listText(instruction.args)}`, config: { Shell: instruction.args } };
    case 'MAINTAINER':
      return { text: `MAINTAINER ${instruction.value}`, config: {}, author: instruction.value };
    case 'ONBUILD':
      return { text: `ONBUILD ${instruction.trigger}`, config: { OnBuild: [...(config.OnBuild ?? []), instruction.trigger] } };
    case 'HEALTHCHECK': {
      const { test, interval, timeout, startPeriod, startInterval, retries } = instruction;
      const times = { Interval: interval, Timeout: timeout, StartPeriod: startPeriod, StartInterval: startInterval, Retries: retries };
      const set = Object.fromEntries(Object.entries(times).filter(([, value]) => value !== 0));
      return { text: instruction.original, config: { Healthcheck: { Test: test, ...set } } };
    }
    default:
      return undefined;
  }
}

/** argv of a command: the shell form goes to the stage's SHELL. */
export function commandLine(state: ImageState, command: Command): string[] {
  return command.form === 'exec' ? command.args : [...shellOf(state), command.text];
}

/** The last value of a name wins, and keeps the name's place. */
function setEnvironment(current: readonly string[], added: readonly (readonly [string, string])[]): string[] {
  const result = [...current];
  for (const [name, value] of added) {
    const at = result.findIndex((entry) => entry.startsWith(`${name}=`));
    if (at < 0) result.push(`${name}=${value}`);
    else result[at] = `${name}=${value}`;
  }
  return result;
}

function pairText([name, value]: readonly [string, string]): string {
  return `${name}=${value}`;
}

/** Go prints lists so: `["a" "b"]`. */
function listText(items: readonly string[]): string {
  return `[${items.map((item) => JSON.stringify(item)).join(' ')}]`;
}

/** `80`, `53/udp`, `8000-8010/tcp`. */
function exposedPorts(text: string): string[] {
  const [, first, last = first, protocol = 'tcp'] = /^(\d+)(?:-(\d+))?(?:\/([a-z]+))?$/i.exec(text) ?? [];
  const [from, to] = [Number(first), Number(last)];
  if (first === undefined || from > to || to > 65535)
    throw new EngineError('InvalidArgument', `invalid containerPort: ${text}`, { layer: 'builder' });
  if (!['tcp', 'udp', 'sctp'].includes(protocol.toLowerCase()))
    throw new EngineError('InvalidArgument', `invalid proto: ${protocol}`, { layer: 'builder' });
  return Array.from({ length: to - from + 1 }, (_, index) => `${from + index}/${protocol.toLowerCase()}`);
}
