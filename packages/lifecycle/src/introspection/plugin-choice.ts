// Which of the service's parts an operator wants (config.toml: disabled_plugins, required_plugins), by containerd's names for them.
import { EngineError } from '@berth/errdefs/engine-error';

/** What the service can do without. */
const OPTIONAL = /^io\.containerd\.(grpc|snapshotter)\.v1$|^io\.containerd\.internal\.v1$/;

export class PluginChoice {
  readonly #disabled: ReadonlySet<string>;
  readonly #required: readonly string[];

  constructor({ disabledPlugins, requiredPlugins }: { disabledPlugins: readonly string[]; requiredPlugins: readonly string[] }) {
    this.#disabled = new Set(disabledPlugins);
    this.#required = requiredPlugins;
  }

  enabled(type: string, id: string): boolean {
    return !(OPTIONAL.test(type) && this.#disabled.has(`${type}.${id}`));
  }

  /** FailedPrecondition when one is missing that is required, or there that is disabled. `present` are all that there are. */
  check(present: readonly { type: string; id: string }[]): void {
    const names = new Set(present.map(({ type, id }) => `${type}.${id}`));
    const missing = this.#required.find((name) => !names.has(name));
    if (missing !== undefined) {
      throw new EngineError('FailedPrecondition', `required plugin ${missing} is not there; there are: ${[...names].join(', ')}`, {
        layer: 'lifecycle',
      });
    }
    const kept = [...this.#disabled].find((name) => names.has(name));
    if (kept !== undefined) {
      throw new EngineError('FailedPrecondition', `plugin ${kept} cannot be disabled: nothing works without it`, { layer: 'lifecycle' });
    }
  }
}
