// Volume drivers that are programs of their own. They are found by name when they are asked for, as dockerd does: a socket
// NAME.sock, or NAME/NAME.sock, or a file NAME.spec (an address) or NAME.json ({"Addr"}) in one of the plugin directories.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { EngineError } from '@berth/errdefs/engine-error';
import { type PluginAddress, PluginClient } from './plugin-client.ts';

/** What a plugin says of a volume. */
export interface PluginVolume {
  Name: string;
  Mountpoint?: string;
  CreatedAt?: string;
  Status?: Record<string, unknown>;
}

const SYSTEM_DIRECTORIES = ['/run/docker/plugins', '/etc/docker/plugins', '/usr/lib/docker/plugins'];
const VOLUME_DRIVER = 'VolumeDriver';

export class VolumePlugins {
  readonly #directories: readonly string[];
  readonly #clients = new Map<string, { client: PluginClient; address: string }>();

  /** `own`: a directory of this daemon's, looked into before the system's. */
  constructor(own: string) {
    this.#directories = [own, ...SYSTEM_DIRECTORIES];
  }

  /** The driver of that name. Throws NotFound. */
  async find(name: string): Promise<VolumeDriver> {
    const address = /^[\w][\w.-]*$/.test(name) ? this.#addressOf(name) : undefined;
    if (!address) throw notFound(name);
    const key = JSON.stringify(address);
    let known = this.#clients.get(name);
    if (known?.address !== key) {
      known = { client: new PluginClient(name, address), address: key };
      this.#clients.set(name, known);
    }
    if (!(await known.client.implementations()).includes(VOLUME_DRIVER)) throw notFound(name);
    return new VolumeDriver(known.client);
  }

  /** All that there are; those that do not answer are left out. */
  async all(): Promise<VolumeDriver[]> {
    const found = await Promise.allSettled(this.#names().map((name) => this.find(name)));
    return found.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
  }

  #names(): string[] {
    const names = this.#directories.flatMap((directory) => {
      if (!existsSync(directory)) return [];
      return readdirSync(directory, { withFileTypes: true }).map((entry) => basename(entry.name).replace(/\.(sock|spec|json)$/, ''));
    });
    return [...new Set(names)];
  }

  #addressOf(name: string): PluginAddress | undefined {
    for (const directory of this.#directories) {
      for (const path of [join(directory, `${name}.sock`), join(directory, name, `${name}.sock`)]) {
        if (statSync(path, { throwIfNoEntry: false })?.isSocket()) return { socketPath: path };
      }
      const spec = readIfThere(join(directory, `${name}.spec`));
      if (spec !== undefined) return parseAddress(name, spec.trim());
      const json = readIfThere(join(directory, `${name}.json`));
      if (json !== undefined) return parseAddress(name, (JSON.parse(json) as { Addr?: string }).Addr ?? '');
    }
    return undefined;
  }
}

/** A plugin's volumes. */
export class VolumeDriver {
  readonly #client: PluginClient;

  constructor(client: PluginClient) {
    this.#client = client;
  }

  get name(): string {
    return this.#client.name;
  }

  async create(name: string, options: Readonly<Record<string, string>>): Promise<void> {
    await this.#call('Create', { Name: name, Opts: options });
  }

  async remove(name: string): Promise<void> {
    await this.#call('Remove', { Name: name });
  }

  /** Where it is mounted. `id` names who needs it: the same one unmounts. */
  async mount(name: string, id: string): Promise<string> {
    const { Mountpoint } = await this.#call<{ Mountpoint?: string }>('Mount', { Name: name, ID: id });
    if (!Mountpoint?.startsWith('/')) {
      throw new EngineError('Unknown', `VolumeDriver.Mount: ${this.name} gave no absolute path for the volume ${name}`, {
        layer: 'daemon',
      });
    }
    return Mountpoint;
  }

  async unmount(name: string, id: string): Promise<void> {
    await this.#call('Unmount', { Name: name, ID: id });
  }

  async get(name: string): Promise<PluginVolume | undefined> {
    return (await this.#call<{ Volume?: PluginVolume }>('Get', { Name: name })).Volume;
  }

  async list(): Promise<PluginVolume[]> {
    return (await this.#call<{ Volumes?: PluginVolume[] | null }>('List', {})).Volumes ?? [];
  }

  /** Plugins of before this call have local volumes. */
  async scope(): Promise<'local' | 'global'> {
    try {
      const { Capabilities } = await this.#call<{ Capabilities?: { Scope?: string } }>('Capabilities', {});
      return Capabilities?.Scope?.toLowerCase() === 'global' ? 'global' : 'local';
    } catch {
      return 'local';
    }
  }

  #call<T>(method: string, body: object): Promise<T> {
    return this.#client.call<T>(`${VOLUME_DRIVER}.${method}`, body);
  }
}

function parseAddress(name: string, address: string): PluginAddress {
  if (address.startsWith('unix://')) return { socketPath: address.slice('unix://'.length) };
  const match = /^(?:tcp|http):\/\/([^:/]+|\[[^\]]+\]):(\d+)\/?$/.exec(address);
  if (match) return { host: (match[1] as string).replace(/^\[|\]$/g, ''), port: Number(match[2]) };
  throw new EngineError(
    'InvalidArgument',
    `the plugin ${name} has the address ${JSON.stringify(address)}: use unix://PATH or tcp://HOST:PORT`,
    {
      layer: 'daemon',
    },
  );
}

function readIfThere(path: string): string | undefined {
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined;
}

function notFound(name: string): EngineError {
  return new EngineError('NotFound', `error looking up volume plugin ${name}: plugin "${name}" not found`, { layer: 'daemon' });
}
