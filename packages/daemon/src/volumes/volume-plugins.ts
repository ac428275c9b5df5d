// Volume drivers that are programs of their own. They are found by name when they are asked for, as dockerd does (plugin-address.ts).
import { existsSync, readdirSync } from 'node:fs';
import { basename } from 'node:path';
import { EngineError, isKind } from '@berth/errdefs/engine-error';
import { findPlugin } from './plugin-address.ts';
import { HASTY, PATIENT, type Patience, PluginClient } from './plugin-client.ts';

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
  async find(name: string, patience: Patience = PATIENT): Promise<VolumeDriver> {
    const address = /^[\w][\w.-]*$/.test(name) ? findPlugin(this.#directories, name) : undefined;
    if (!address) throw notFound(name);
    const key = JSON.stringify(address);
    let known = this.#clients.get(name);
    if (known?.address !== key) {
      known = { client: new PluginClient(name, address), address: key };
      this.#clients.set(name, known);
    }
    if (!(await known.client.implementations(patience)).includes(VOLUME_DRIVER)) throw notFound(name);
    return new VolumeDriver(known.client, patience);
  }

  /** Asks all that there are, at once and without waiting for long; those that do not answer are named. */
  async askAll<T>(question: (driver: VolumeDriver) => Promise<T>): Promise<{ answers: T[]; silent: string[] }> {
    const names = this.#names();
    const outcomes = await Promise.allSettled(names.map(async (name) => question(await this.find(name, HASTY))));
    const answers = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
    // A plugin of another kind (a network driver, say) is not silent.
    const silent = names.filter((_, index) => {
      const outcome = outcomes[index];
      return outcome?.status === 'rejected' && !isKind(outcome.reason, 'NotFound');
    });
    return { answers, silent };
  }

  #names(): string[] {
    const names = this.#directories.flatMap((directory) => {
      if (!existsSync(directory)) return [];
      return readdirSync(directory, { withFileTypes: true }).map((entry) => basename(entry.name).replace(/\.(sock|spec|json)$/, ''));
    });
    return [...new Set(names)];
  }
}

/** A plugin's volumes. */
export class VolumeDriver {
  readonly #client: PluginClient;
  readonly #patience: Patience;

  constructor(client: PluginClient, patience: Patience) {
    this.#client = client;
    this.#patience = patience;
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
    return this.#client.call<T>(`${VOLUME_DRIVER}.${method}`, body, this.#patience);
  }
}

function notFound(name: string): EngineError {
  return new EngineError('NotFound', `error looking up volume plugin ${name}: plugin "${name}" not found`, { layer: 'daemon' });
}
