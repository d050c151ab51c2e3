/**
 * Where nodes are that have no real address.
 *
 * @module
 */

/** `host:port` of a node in a network that is not real. */
export function addressOf(nodeId: number): string {
  return `node-${nodeId}.test:50051`;
}
