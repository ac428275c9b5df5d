// Berth's own version, as `berth version` and `berth -v` print it.
export const VERSION = '0.1.0';
