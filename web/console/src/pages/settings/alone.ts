import type { Schemas } from '@/api/client.ts'

/** alone says whether a server is no cluster: one node, which has never joined anything. */
export function alone(cluster: Schemas['Cluster']): boolean {
  const nodes = cluster.nodes ?? []
  return nodes.length === 1 && !nodes[0]!.epoch
}
