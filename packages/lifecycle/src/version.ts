// What this service calls itself. The number before the plus is the version of containerd whose API it serves: clients choose by it
// (2.0 and later has the transfer service).
export const VERSION = 'v2.1.0+berth.0.1.0';
export const REVISION = 'berth';
