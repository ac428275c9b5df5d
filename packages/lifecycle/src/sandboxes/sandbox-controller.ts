// Sandboxes that run: a shim each, which the tasks of the sandbox's containers share. Found again after a restart of the service by
// their bundles, and given up when their shim dies. Runs in berth-lifecycle.
import { EngineError, toEngineError } from '@berth/errdefs/engine-error';
import { SandboxExit } from '@berth/rpc/gen/containerd/events/sandbox';
import { type CreateSandboxRequest, Sandbox as SandboxApi } from '@berth/rpc/gen/containerd/runtime/sandbox/v1/sandbox';
import { Task } from '@berth/rpc/gen/containerd/runtime/task/v3/shim';
import type { Any } from '@berth/rpc/gen/google/protobuf/any';
import { timestampNow } from '@berth/rpc/timestamp';
import type { CallOptions, Stub, TtrpcClient } from '@berth/rpc/ttrpc/client';
import { NAMESPACE } from '@berth/rpc/ttrpc/message';
import type { Init } from '@berth/rpc/wire/message';
import type { EventExchange } from '../events/exchange.ts';
import type { Bundle, Bundles, ShimAddress } from '../tasks/bundle.ts';
import { BERTH_RUNTIME, type ConnectedShim, connectShim, KILLED, type ShimsByRuntime } from '../tasks/shims.ts';

/** Milliseconds in which a shim that was found after a restart has to answer. */
const RECONNECT_TIMEOUT = 5000;

export interface SandboxControllerOptions {
  bundles: Bundles;
  shims: ShimsByRuntime;
  events: EventExchange;
  log: { warn(fields: object, message: string): void };
}

export interface NewSandbox {
  runtime: { name: string; options?: Any | undefined };
  /** config.json of the bundle; may be empty. */
  config: Uint8Array;
  request: Init<CreateSandboxRequest>;
}

export interface RunningSandbox {
  readonly shim: ShimAddress;
  readonly api: Stub<typeof SandboxApi>;
  /** What goes with every call. */
  readonly options: CallOptions;
}

interface Entry extends RunningSandbox {
  bundle: Bundle;
  runtime: string;
  client: TtrpcClient;
  /** Whether this service ends the shim, so that the end of its connection is no surprise. */
  ending: boolean;
}

export class SandboxController {
  readonly #options: SandboxControllerOptions;
  readonly #entries = new Map<string, Entry>();

  constructor(options: SandboxControllerOptions) {
    this.#options = options;
  }

  has(namespace: string, id: string): boolean {
    return this.#entries.has(`${namespace}/${id}`);
  }

  /** NotFound for a sandbox that does not run. */
  get(namespace: string, id: string): RunningSandbox {
    const entry = this.#entries.get(`${namespace}/${id}`);
    if (!entry)
      throw new EngineError('NotFound', `sandbox "${id}" does not run: not found`, { layer: 'lifecycle', details: { sandbox: id } });
    return entry;
  }

  /** AlreadyExists for a sandbox that runs. Nothing is left of one that could not be created. */
  async create(namespace: string, id: string, { runtime, config, request }: NewSandbox): Promise<void> {
    const { bundles, shims } = this.#options;
    const bundle = bundles.create(namespace, id, runtime.name, config.length > 0 ? config : Buffer.from('{}'));
    let entry: Entry | undefined;
    try {
      const create = async (connected: ConnectedShim) => {
        if (!connected.records) bundles.writeShim(bundle, connected.shim);
        const created = this.#entry(bundle, runtime.name, connected);
        entry = created;
        await created.api.createSandbox({ ...request, sandboxId: id, bundlePath: bundle.path }, created.options);
        return created;
      };
      this.#keep(await shims.of(runtime.name).start({ bundle, options: runtime.options, group: id }, create));
    } catch (thrown) {
      // A shim that serves others stays.
      await entry?.client
        .stub(Task)
        .shutdown({ id }, entry.options)
        .catch(() => {});
      entry?.client.close();
      await this.#cleanUp(bundle, runtime.name);
      bundles.remove(bundle);
      const { kind, message, layer } = toEngineError(thrown);
      throw new EngineError(kind, `failed to create sandbox ${id}: ${message}`, { layer, cause: thrown });
    }
  }

  /** Ends the sandbox's shim and forgets it. */
  async shutdown(namespace: string, id: string): Promise<void> {
    const entry = this.get(namespace, id) as Entry;
    entry.ending = true;
    try {
      await entry.api.shutdownSandbox({ sandboxId: id }, entry.options);
    } catch (error) {
      entry.ending = false;
      throw error;
    }
    this.#entries.delete(`${namespace}/${id}`);
    entry.client.close();
    this.#options.bundles.remove(entry.bundle);
  }

  /** Finds the sandboxes of before this process: those whose shim answers go on, the others are cleaned up. */
  async recover(): Promise<void> {
    const { bundles } = this.#options;
    for (const bundle of bundles.retired()) bundles.discard(bundle);
    await Promise.all(bundles.list().map((bundle) => this.#recoverOne(bundle)));
  }

  /** Lets go of every shim; the sandboxes stand. */
  disconnect(): void {
    for (const entry of this.#entries.values()) {
      entry.ending = true;
      entry.client.close();
    }
    this.#entries.clear();
  }

  async #recoverOne(bundle: Bundle): Promise<void> {
    const { bundles, shims, log } = this.#options;
    const runtime = bundles.runtime(bundle) ?? BERTH_RUNTIME;
    try {
      const shim = bundles.shim(bundle);
      if (!shim) throw new EngineError('NotFound', 'its shim never served', { layer: 'lifecycle' });
      const entry = this.#entry(bundle, runtime, await connectShim(shim));
      await entry.api.pingSandbox({ sandboxId: bundle.id }, { ...entry.options, timeout: RECONNECT_TIMEOUT });
      shims.of(runtime).adopt(bundle);
      this.#keep(entry);
    } catch (error) {
      log.warn({ namespace: bundle.namespace, sandbox: bundle.id, reason: (error as Error).message }, 'cleaning up after a sandbox');
      await this.#bury(bundle, runtime);
    }
  }

  #entry(bundle: Bundle, runtime: string, { shim, client }: ConnectedShim): Entry {
    const options: CallOptions = { metadata: [[NAMESPACE, bundle.namespace]] };
    return { bundle, runtime, shim, client, api: client.stub(SandboxApi), options, ending: false };
  }

  #keep(entry: Entry): void {
    const { bundle, runtime, client } = entry;
    const key = `${bundle.namespace}/${bundle.id}`;
    this.#entries.set(key, entry);
    void client.closed().then(async () => {
      if (entry.ending || this.#entries.get(key) !== entry) return;
      this.#options.log.warn({ namespace: bundle.namespace, sandbox: bundle.id }, 'shim of a sandbox disconnected');
      this.#entries.delete(key);
      await this.#bury(bundle, runtime);
    });
  }

  async #bury(bundle: Bundle, runtime: string): Promise<void> {
    const { namespace, id } = bundle;
    await this.#cleanUp(bundle, runtime);
    this.#options.bundles.remove(bundle);
    this.#options.events.emit(namespace, '/sandboxes/exit', SandboxExit, { sandboxId: id, exitStatus: KILLED, exitedAt: timestampNow() });
  }

  async #cleanUp(bundle: Bundle, runtime: string): Promise<void> {
    try {
      await this.#options.shims.of(runtime).cleanUp(bundle);
    } catch (error) {
      const { namespace, id } = bundle;
      this.#options.log.warn({ namespace, sandbox: id, reason: (error as Error).message }, 'cleaning up after a shim failed');
    }
  }
}
