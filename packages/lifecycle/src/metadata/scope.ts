// On whose behalf storage is used: the namespace that sees the objects and the lease that keeps what is being made from the
// garbage collector. gRPC calls carry both as metadata (`containerd-namespace`, `containerd-lease`).
export interface Scope {
  readonly namespace: string;
  /** Everything created through this scope is added to this lease's resources. */
  readonly lease?: string;
}

/** What a lease or a label can refer to, in containerd's words (leases.Resource.Type). Snapshots name their snapshotter. */
export type ResourceType = 'content' | 'ingests' | `snapshots/${string}`;

/** The part of the lease store that storage needs: it adds what it makes. */
export interface LeaseResources {
  /** Throws NotFound when the lease does not exist. */
  addResource(namespace: string, lease: string, type: ResourceType, id: string): void;
}
