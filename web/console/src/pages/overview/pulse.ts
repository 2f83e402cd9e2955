import { useQuery } from '@tanstack/react-query'
import { useEffect, useMemo, useState } from 'react'
import { api, ask, type Schemas } from '@/api/client.ts'

/** Point is one second of the server; absent numbers were not known. */
export interface Point {
  readonly at: number
  readonly begun: number
  readonly committed: number
  readonly rolledBack: number
  readonly timedOut: number
  readonly failures: number
  readonly waiters: number
  readonly p50: number | null
  readonly p95: number | null
  readonly p99: number | null
}

type Told = Pick<Schemas['Pulse'], 'at' | 'latency' | 'lockWaiters'> & Schemas['Rates']

/** pointOf reads what the server tells of one second. */
export function pointOf(told: Told): Point {
  const ended = (told.latency?.ended ?? 0) > 0
  return {
    at: Math.round(new Date(told.at ?? 0).getTime() / 1000),
    begun: told.begun ?? 0,
    committed: told.committed ?? 0,
    rolledBack: told.rolledBack ?? 0,
    timedOut: told.timedOut ?? 0,
    failures: told.failures ?? 0,
    waiters: told.lockWaiters ?? 0,
    p50: ended ? (told.latency?.p50Ms ?? null) : null,
    p95: ended ? (told.latency?.p95Ms ?? null) : null,
    p99: ended ? (told.latency?.p99Ms ?? null) : null,
  }
}

/** joined puts new points behind old ones, one a second, and keeps the newest. */
export function joined(old: readonly Point[], more: readonly Point[], keep: number): readonly Point[] {
  const last = old.at(-1)?.at ?? 0
  const fresh = more.filter((point) => point.at > last)
  return fresh.length === 0 ? old : [...old, ...fresh].slice(-keep)
}

/** columns turns points of a window into what a chart draws. A gap of several seconds stays one. */
export function columns(
  points: readonly Point[],
  from: number,
  names: readonly (keyof Point)[],
): (number | null)[][] {
  const out: (number | null)[][] = [[], ...names.map(() => [])]
  let before = 0
  for (const point of points) {
    if (point.at < from) continue
    if (before && point.at - before > 5) {
      out[0]!.push(before + 1)
      names.forEach((_, i) => out[i + 1]!.push(null))
    }
    before = point.at
    out[0]!.push(point.at)
    names.forEach((name, i) => out[i + 1]!.push(point[name]))
  }
  return out
}

const kept = 900

/** usePulse returns the last quarter of an hour: what the node kept, and each second since. */
export function usePulse(numbers: Schemas['Overview'] | undefined): readonly Point[] {
  const history = useQuery({
    queryKey: ['overview', 'history'],
    queryFn: ({ signal }) => ask(api.GET('/api/v1/overview/history', { signal })),
    staleTime: Infinity,
    gcTime: 0,
  })
  const [since, setSince] = useState<readonly Point[]>([])
  useEffect(() => {
    if (!numbers?.rates) return
    const point = pointOf({ ...numbers, ...numbers.rates })
    setSince((was) => joined(was, [point], kept))
  }, [numbers])
  return useMemo(() => joined((history.data?.items ?? []).map(pointOf), since, kept), [history.data, since])
}
