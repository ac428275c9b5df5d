// The leases under which the service's own transfers gather their parts when the client brought none. One that a killed service leaves
// is good for a day: the next transfer to the same name goes on with what it keeps, and ends it when it is through.
import { EXPIRE_LABEL, type LeaseStore } from '../leases/lease-store.ts';

const LIFE_MS = 24 * 3_600_000;
/** Names the image that the transfer makes. */
const TARGET_LABEL = 'berth.transfer/target';

export interface TransferLease extends Disposable {
  readonly id: string;
  /** The image is there: what earlier attempts gathered for it is the image's now, or garbage. Whether there were such. */
  succeeded(): boolean;
}

export class TransferLeases {
  readonly #leases: LeaseStore;
  readonly #held = new Set<string>();

  constructor(leases: LeaseStore) {
    this.#leases = leases;
  }

  take(namespace: string, target: string): TransferLease {
    const expires = new Date(Date.now() + LIFE_MS).toISOString();
    const { id } = this.#leases.create(namespace, '', { [EXPIRE_LABEL]: expires, [TARGET_LABEL]: target });
    this.#held.add(id);
    return {
      id,
      succeeded: () => this.#endAbandoned(namespace, target),
      [Symbol.dispose]: () => {
        if (this.#held.delete(id)) this.#leases.delete(namespace, id);
      },
    };
  }

  #endAbandoned(namespace: string, target: string): boolean {
    const abandoned = this.#leases.list(namespace).filter(({ id, labels }) => labels[TARGET_LABEL] === target && !this.#held.has(id));
    for (const { id } of abandoned) this.#leases.delete(namespace, id);
    return abandoned.length > 0;
  }
}
