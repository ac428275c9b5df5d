// A volume plugin that keeps its volumes in a directory: Docker's plugin protocol on a unix socket, in the test's own process. It counts
// who has what mounted, and refuses what a real one would refuse.
import { mkdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

interface PluginRequest {
  Name?: string;
  ID?: string;
  Opts?: Record<string, string>;
}

export class VolumePlugin implements AsyncDisposable {
  /** Every request, as `Method name`. */
  readonly calls: string[] = [];
  /** Volume → ids of those who have it mounted. */
  readonly mounted = new Map<string, Set<string>>();
  readonly options = new Map<string, Record<string, string>>();
  readonly #directory: string;
  readonly #server = createServer((request, response) => {
    void text(request).then((body) => {
      const method = (request.url ?? '').slice(1);
      let answer: object;
      try {
        answer = this.#answer(method, JSON.parse(body || '{}') as PluginRequest);
      } catch (error) {
        answer = { Err: (error as Error).message };
      }
      response.writeHead(200, { 'Content-Type': 'application/vnd.docker.plugins.v1.2+json' }).end(JSON.stringify(answer));
    });
  });

  private constructor(directory: string) {
    this.#directory = directory;
  }

  static async listen(socket: string, directory: string): Promise<VolumePlugin> {
    const plugin = new VolumePlugin(directory);
    await new Promise<void>((resolve) => plugin.#server.listen(socket, resolve));
    return plugin;
  }

  /** Where a volume's files are. */
  path(name: string): string {
    return join(this.#directory, name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #answer(method: string, { Name = '', ID = '', Opts = {} }: PluginRequest): object {
    this.calls.push(`${method} ${Name}`.trim());
    if (method === 'Plugin.Activate') return { Implements: ['VolumeDriver'] };
    if (method === 'VolumeDriver.Capabilities') return { Capabilities: { Scope: 'global' } };
    if (method === 'VolumeDriver.List') return { Volumes: [...this.mounted.keys()].map((name) => this.#describe(name)) };
    if (method === 'VolumeDriver.Create') {
      if (Opts.fail) throw new Error(`no room for ${Name}`);
      mkdirSync(this.path(Name), { recursive: true });
      this.mounted.set(Name, new Set());
      this.options.set(Name, Opts);
      return {};
    }
    const users = this.mounted.get(Name);
    if (!users) throw new Error(`no such volume: ${Name}`);
    switch (method) {
      case 'VolumeDriver.Get':
        return { Volume: { ...this.#describe(Name), Status: { users: users.size } } };
      case 'VolumeDriver.Path':
        return { Mountpoint: this.path(Name) };
      case 'VolumeDriver.Mount':
        if (this.options.get(Name)?.broken) throw new Error('the storage is away');
        users.add(ID);
        return { Mountpoint: this.path(Name) };
      case 'VolumeDriver.Unmount':
        users.delete(ID);
        return {};
      case 'VolumeDriver.Remove':
        if (users.size > 0) throw new Error('in use');
        rmSync(this.path(Name), { recursive: true });
        this.mounted.delete(Name);
        return {};
      default:
        throw new Error(`unknown call ${method}`);
    }
  }

  #describe(name: string): { Name: string; Mountpoint: string } {
    return { Name: name, Mountpoint: this.mounted.get(name)?.size ? this.path(name) : '' };
  }
}
