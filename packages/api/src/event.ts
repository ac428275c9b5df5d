// Messages of `GET /events` (moby's api/swagger.yaml, 1.51).

export type EventType =
  | 'builder'
  | 'config'
  | 'container'
  | 'daemon'
  | 'image'
  | 'network'
  | 'node'
  | 'plugin'
  | 'secret'
  | 'service'
  | 'volume';

export interface EventMessage {
  /** The first three are for clients older than 1.52. */
  status?: string;
  id?: string;
  from?: string;
  Type: EventType;
  Action: string;
  Actor: { ID: string; Attributes: Record<string, string> };
  scope: 'local' | 'swarm';
  /** Unix seconds, and the same moment in nanoseconds (written as an integer on the wire). */
  time: number;
  timeNano: number;
}
