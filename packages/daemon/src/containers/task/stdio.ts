// Where a container's input and output go: the shim's attach socket, which also writes the log (docs/attach.md).
import type { Config } from '../../config/config.ts';
import type { Container } from '../container.ts';
import { attachSocket } from '../container-directory.ts';

export interface StdioUris {
  stdin: string;
  stdout: string;
  stderr: string;
}

export function stdioUris(config: Config, container: Container): StdioUris {
  const { record } = container;
  const options = new URLSearchParams();
  if (record.logPath !== '') {
    const log = record.hostConfig.LogConfig?.Config ?? {};
    options.set('log', 'json-file');
    options.set('path', record.logPath);
    for (const key of ['max-size', 'max-file'] as const) if (log[key]) options.set(key, log[key]);
    const attributes = logAttributes(container, log);
    if (Object.keys(attributes).length > 0) options.set('attrs', JSON.stringify(attributes));
  }
  if (record.config.StdinOnce) options.set('stdin-once', '1');
  return uris(attachSocket(config, container.id), options, { stdin: record.config.OpenStdin === true, stderr: !container.terminal });
}

/** `attached`: a client is about to connect, and the first output is its. */
export function execStdioUris(
  config: Config,
  execId: string,
  streams: { stdin: boolean; terminal: boolean; attached: boolean },
): StdioUris {
  const options = new URLSearchParams({ ...(streams.stdin ? { 'stdin-once': '1' } : {}), ...(streams.attached ? { keep: '1' } : {}) });
  return uris(attachSocket(config, execId), options, { stdin: streams.stdin, stderr: !streams.terminal });
}

function uris(socket: string, options: URLSearchParams, streams: { stdin: boolean; stderr: boolean }): StdioUris {
  const query = options.size > 0 ? `?${options}` : '';
  const uri = `attach://${socket}${query}`;
  return { stdin: streams.stdin ? uri : '', stdout: uri, stderr: streams.stderr ? uri : '' };
}

/** --log-opt labels=a,b env=X,Y tag=…: what Docker adds to each line of the log. */
function logAttributes(container: Container, options: Readonly<Record<string, string>>): Record<string, string> {
  const names = (list: string | undefined) => (list ?? '').split(',').filter(Boolean);
  const { Labels, Env } = container.record.config;
  const environment = new Map((Env ?? []).map((pair) => [pair.split('=', 1)[0] as string, pair.slice(pair.indexOf('=') + 1)]));
  const attributes: Record<string, string> = {};
  for (const name of names(options.labels)) if (Labels?.[name] !== undefined) attributes[name] = Labels[name];
  for (const name of names(options.env)) {
    const value = environment.get(name);
    if (value !== undefined) attributes[name] = value;
  }
  return attributes;
}
