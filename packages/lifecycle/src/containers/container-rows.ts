// The container store's table. The record is the wire's own message, so that a container is stored and answered without taking its
// spec apart; the columns beside it are what the service itself looks for.
export const CONTAINER_SCHEMA = `
  CREATE TABLE container (
    namespace TEXT NOT NULL,
    id TEXT NOT NULL,
    snapshotter TEXT NOT NULL,
    snapshot_key TEXT NOT NULL,
    labels TEXT NOT NULL,
    record BLOB NOT NULL,
    PRIMARY KEY (namespace, id)
  );
`;

export interface ContainerRow {
  namespace: string;
  id: string;
  snapshotter: string;
  snapshot_key: string;
  /** JSON. */
  labels: string;
  /** containerd.services.containers.v1.Container. */
  record: Buffer;
}
