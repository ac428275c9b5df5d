// The ttrpc face of a shim that runs a sandbox (containerd.runtime.sandbox.v1): nothing runs for the sandbox itself, as with runc's shim;
// it is what its containers have in common.
import { EngineError } from '@berth/errdefs/engine-error';
import { hostPlatform } from '@berth/oci/platform';
import type { Sandbox as SandboxApi } from '@berth/rpc/gen/containerd/runtime/sandbox/v1/sandbox';
import type { Implementation } from '@berth/rpc/ttrpc/server';
import { type WallTime, wallTime } from '@berth/sys/clock';

/** Seconds for containers that are killed because their sandbox stops. */
const DEFAULT_TIMEOUT = 10;

export interface SandboxServiceOptions {
  /** Kills every container that is left; resolves when they have ended, or after so many milliseconds. */
  endTasks(timeout: number): Promise<void>;
  /** Ends the shim. */
  shutdown(): void;
}

interface Sandbox {
  id: string;
  networkNamespace: string;
  createdAt: WallTime;
  state: 'created' | 'ready' | 'stopped';
  exitedAt?: WallTime;
  waiters: (() => void)[];
}

export class SandboxService implements Implementation<typeof SandboxApi> {
  readonly #options: SandboxServiceOptions;
  #sandbox: Sandbox | undefined;

  constructor(options: SandboxServiceOptions) {
    this.#options = options;
  }

  /** A shim with a sandbox stays when its last container has gone, until the sandbox is shut down. */
  get stands(): boolean {
    return this.#sandbox !== undefined;
  }

  createSandbox: Implementation<typeof SandboxApi>['createSandbox'] = ({ sandboxId, netnsPath }) => {
    if (this.#sandbox) throw new EngineError('AlreadyExists', `sandbox ${this.#sandbox.id}: already exists`, { layer: 'shim' });
    this.#sandbox = { id: sandboxId, networkNamespace: netnsPath, createdAt: wallTime(), state: 'created', waiters: [] };
    return {};
  };

  startSandbox: Implementation<typeof SandboxApi>['startSandbox'] = ({ sandboxId }) => {
    const sandbox = this.#find(sandboxId);
    if (sandbox.state !== 'created')
      throw new EngineError('FailedPrecondition', `sandbox ${sandboxId} was started before: failed precondition`, { layer: 'shim' });
    sandbox.state = 'ready';
    return { pid: process.pid, createdAt: sandbox.createdAt };
  };

  platform: Implementation<typeof SandboxApi>['platform'] = ({ sandboxId }) => {
    this.#find(sandboxId);
    return { platform: hostPlatform() };
  };

  stopSandbox: Implementation<typeof SandboxApi>['stopSandbox'] = async ({ sandboxId, timeoutSecs }) => {
    const sandbox = this.#find(sandboxId);
    await this.#options.endTasks((timeoutSecs || DEFAULT_TIMEOUT) * 1000);
    if (sandbox.state !== 'stopped') {
      sandbox.state = 'stopped';
      sandbox.exitedAt = wallTime();
      for (const waiter of sandbox.waiters.splice(0)) waiter();
    }
    return {};
  };

  waitSandbox: Implementation<typeof SandboxApi>['waitSandbox'] = async ({ sandboxId }) => {
    const sandbox = this.#find(sandboxId);
    if (sandbox.state !== 'stopped') await new Promise<void>((resolve) => sandbox.waiters.push(resolve));
    return { exitStatus: 0, exitedAt: sandbox.exitedAt };
  };

  sandboxStatus: Implementation<typeof SandboxApi>['sandboxStatus'] = ({ sandboxId, verbose }) => {
    const { id, state, createdAt, exitedAt, networkNamespace } = this.#find(sandboxId);
    return {
      sandboxId: id,
      pid: process.pid,
      // The words of Kubernetes' container runtime interface, for which the service is made.
      state: state === 'ready' ? 'SANDBOX_READY' : 'SANDBOX_NOTREADY',
      info: verbose ? { networkNamespace } : {},
      createdAt,
      exitedAt,
    };
  };

  pingSandbox: Implementation<typeof SandboxApi>['pingSandbox'] = ({ sandboxId }) => {
    this.#find(sandboxId);
    return {};
  };

  shutdownSandbox: Implementation<typeof SandboxApi>['shutdownSandbox'] = async (request, call) => {
    await this.stopSandbox({ sandboxId: request.sandboxId, timeoutSecs: 0 }, call);
    this.#sandbox = undefined;
    this.#options.shutdown();
    return {};
  };

  #find(id: string): Sandbox {
    if (this.#sandbox?.id === id) return this.#sandbox;
    throw new EngineError('NotFound', `sandbox ${id}: not found`, { layer: 'shim' });
  }
}
