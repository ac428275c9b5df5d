// The version of this daemon, as clients are told it.

export const VERSION = '0.1.0';
/** What `docker version` shows in the place of dockerd's commit. */
export const COMMIT = 'berth';
