// `--change` of import and commit: Dockerfile instructions that change a configuration and nothing else.
import { EngineError } from '@berth/errdefs/engine-error';
import type { ExecutionConfig } from '@berth/oci/image-spec';

const SHELL = ['/bin/sh', '-c'];

/** The configuration after the instructions; they are applied in order. */
export function applyChanges(config: ExecutionConfig, changes: readonly string[]): ExecutionConfig {
  return changes
    .flatMap((change) => change.split('\n'))
    .filter((line) => line.trim() !== '')
    .reduce(applyChange, config);
}

function applyChange(config: ExecutionConfig, line: string): ExecutionConfig {
  const [, instruction = '', text = ''] = /^\s*(\S+)\s*(.*?)\s*$/s.exec(line) ?? [];
  if (text === '') throw invalid(`${instruction.toUpperCase()} requires at least one argument`);
  switch (instruction.toUpperCase()) {
    case 'CMD':
      return { ...config, Cmd: command(text) };
    case 'ENTRYPOINT':
      return { ...config, Entrypoint: command(text) };
    case 'ENV':
      return { ...config, Env: setEnvironment(config.Env ?? [], pairs(text)) };
    case 'EXPOSE':
      return {
        ...config,
        ExposedPorts: { ...config.ExposedPorts, ...Object.fromEntries(words(text).map((port) => [checkPort(port), {}])) },
      };
    case 'LABEL':
      return { ...config, Labels: { ...config.Labels, ...Object.fromEntries(pairs(text)) } };
    case 'ONBUILD':
      return { ...config, OnBuild: [...(config.OnBuild ?? []), text] };
    case 'STOPSIGNAL':
      return { ...config, StopSignal: text };
    case 'USER':
      return { ...config, User: text };
    case 'VOLUME':
      return { ...config, Volumes: { ...config.Volumes, ...Object.fromEntries((list(text) ?? words(text)).map((path) => [path, {}])) } };
    case 'WORKDIR':
      return { ...config, WorkingDir: text.startsWith('/') ? text : `${config.WorkingDir ?? ''}/${text}` };
    default:
      throw invalid(`${instruction.toUpperCase()} is not a valid change command`);
  }
}

function command(text: string): string[] {
  return list(text) ?? [...SHELL, text];
}

/** The JSON form of an instruction, if it is one. */
function list(text: string): string[] | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) && value.every((item) => typeof item === 'string') ? value : undefined;
  } catch {
    return undefined;
  }
}

/** `a=b c="d e"`, or the old form `name the rest`. */
function pairs(text: string): [string, string][] {
  const items = words(text);
  if (!items[0]?.includes('=')) {
    const [, name = '', value = ''] = /^(\S+)\s+(.*)$/s.exec(text) ?? [];
    if (name === '') throw invalid(`${text} must have a value: use name=value`);
    return [[name, unquoted(value)]];
  }
  return items.map((item) => {
    const equals = item.indexOf('=');
    if (equals <= 0) throw invalid(`Syntax error - can't find = in "${item}". Must be of the form: name=value`);
    return [unquoted(item.slice(0, equals)), unquoted(item.slice(equals + 1))];
  });
}

function words(text: string): string[] {
  return text.match(/(?:[^\s"'\\]|\\.|"(?:[^"\\]|\\.)*"|'[^']*')+/g) ?? [];
}

function unquoted(text: string): string {
  return text.replace(
    /"((?:[^"\\]|\\.)*)"|'([^']*)'|\\(.)/g,
    (_, double?: string, single?: string, escaped?: string) => double?.replace(/\\(["\\$])/g, '$1') ?? single ?? escaped ?? '',
  );
}

function setEnvironment(current: readonly string[], added: readonly [string, string][]): string[] {
  const names = new Set(added.map(([name]) => name));
  return [...current.filter((entry) => !names.has(entry.split('=', 1)[0] ?? '')), ...added.map(([name, value]) => `${name}=${value}`)];
}

function checkPort(text: string): string {
  if (!/^\d{1,5}(-\d{1,5})?(\/(tcp|udp|sctp))?$/.test(text)) throw invalid(`Invalid containerPort: ${text}`);
  return text.includes('/') ? text : `${text}/tcp`;
}

function invalid(message: string): EngineError {
  return new EngineError('InvalidArgument', message, { layer: 'daemon' });
}
