// Where a plugin is spoken to (docs.docker.com/engine/extend/plugin_api, "Plugin discovery"): a socket NAME.sock, a file NAME.spec that
// holds an address, or NAME.json with the address and how its TLS is to be checked; each also in a directory of its name.
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError } from '@berth/errdefs/engine-error';
import type { PluginAddress, PluginTls } from './plugin-client.ts';

interface PluginFile {
  Addr?: string;
  TLSConfig?: { InsecureSkipVerify?: boolean; CAFile?: string; CertFile?: string; KeyFile?: string } | null;
}

/** Undefined when no directory has it. Throws InvalidArgument for a file that says nothing usable. */
export function findPlugin(directories: readonly string[], name: string): PluginAddress | undefined {
  for (const directory of directories) {
    for (const place of [join(directory, name), join(directory, name, name)]) {
      if (statSync(`${place}.sock`, { throwIfNoEntry: false })?.isSocket()) return { socketPath: `${place}.sock` };
      if (existsSync(`${place}.spec`)) return parseAddress(name, readFileSync(`${place}.spec`, 'utf8').trim());
      if (existsSync(`${place}.json`)) return fromFile(name, `${place}.json`);
    }
  }
  return undefined;
}

function fromFile(name: string, path: string): PluginAddress {
  let file: PluginFile;
  try {
    file = JSON.parse(readFileSync(path, 'utf8')) as PluginFile;
  } catch (cause) {
    throw new EngineError('InvalidArgument', `${path}, which describes the plugin ${name}, is no JSON: ${(cause as Error).message}`, {
      layer: 'daemon',
      cause,
    });
  }
  const address = parseAddress(name, file.Addr ?? '');
  if (!file.TLSConfig || !('host' in address)) return address;
  const { InsecureSkipVerify, CAFile, CertFile, KeyFile } = file.TLSConfig;
  const read = (key: keyof PluginTls, from: string | undefined) => (from ? { [key]: readFileSync(from) } : {});
  return {
    ...address,
    tls: { ...read('ca', CAFile), ...read('cert', CertFile), ...read('key', KeyFile), rejectUnauthorized: InsecureSkipVerify !== true },
  };
}

function parseAddress(name: string, address: string): PluginAddress {
  if (address.startsWith('unix://')) return { socketPath: address.slice('unix://'.length) };
  const match = /^(tcp|http|https):\/\/([^:/]+|\[[^\]]+\]):(\d+)\/?$/.exec(address);
  if (match) {
    const host = (match[2] as string).replace(/^\[|\]$/g, '');
    return { host, port: Number(match[3]), ...(match[1] === 'https' ? { tls: { rejectUnauthorized: true } } : {}) };
  }
  const message = `the plugin ${name} has the address ${JSON.stringify(address)}: use unix://PATH, tcp://HOST:PORT or https://HOST:PORT`;
  throw new EngineError('InvalidArgument', message, { layer: 'daemon' });
}
