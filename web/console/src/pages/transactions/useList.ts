import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { useMemo, useState } from 'react'
import { api, ask, Refused } from '@/api/client.ts'
import type { Slice } from '@/api/pages.ts'
import { newsOf, renewed, type Row } from './live.ts'
import { paramsOf } from './query.ts'
import type { Filter } from './search.ts'

const firstPage = 100
const laterPages = 1000
const headRows = 100
const headEvery = 3000

async function one(id: string, signal: AbortSignal): Promise<Slice<Row>> {
  try {
    return {
      items: [await ask(api.GET('/api/v1/transactions/{xid}', { params: { path: { xid: id } }, signal }))],
    }
  } catch (error) {
    if (error instanceof Refused && error.status === 404) return { items: [] }
    throw error
  }
}

async function page(
  filter: Filter,
  now: number,
  limit: number,
  cursor: string | undefined,
  signal: AbortSignal,
) {
  if (filter.xid) return one(filter.xid, signal)
  const query = { ...paramsOf(filter, now), limit, ...(cursor && { cursor }) }
  return ask(api.GET('/api/v1/transactions', { params: { query }, signal }))
}

/** useList loads what a search finds, page by page. With auto it looks every few seconds what is new at its begin:
 * loaded rows show how they are now, but none comes or goes before refresh is called. */
export function useList(text: string, filter: Filter, options: { enabled: boolean; auto: boolean }) {
  const [turn, setTurn] = useState(0)
  // One moment for all pages: ages are counted from it.
  const now = useMemo(() => Date.now(), [text, turn])
  const list = useInfiniteQuery({
    queryKey: ['transactions', text, now],
    queryFn: ({ pageParam, signal }) =>
      page(filter, now, pageParam ? laterPages : firstPage, pageParam, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.next || undefined,
    placeholderData: (before, query) => (query?.queryKey[1] === text ? before : undefined),
    enabled: options.enabled,
    staleTime: Infinity,
    gcTime: 30_000,
    structuralSharing: false,
  })
  const loaded = list.isSuccess && !list.isPlaceholderData
  const head = useQuery({
    queryKey: ['transactions-head', text, now],
    queryFn: ({ signal }) => page(filter, Date.now(), headRows, undefined, signal),
    enabled: options.enabled && options.auto && loaded,
    refetchInterval: headEvery,
    retry: false,
  })
  const base = useMemo(() => list.data?.pages.flatMap((each) => each.items ?? []) ?? [], [list.data])
  const newest = head.data?.items
  const rows = useMemo(() => renewed(base, newest ?? []), [base, newest])
  const news = useMemo(
    () => (newest ? newsOf(base, newest, !!head.data?.next) : { fresh: 0, gone: new Set<string>() }),
    [base, newest, head.data?.next],
  )
  return {
    rows,
    news,
    newsBound: headRows,
    loading: list.isPending && options.enabled,
    refreshing: list.isPlaceholderData,
    error: list.error,
    more: list.hasNextPage,
    loadingMore: list.isFetchingNextPage,
    onMore: () => void list.fetchNextPage(),
    refresh: () => setTurn((was) => was + 1),
    retry: () => void list.refetch(),
    /** When the newest rows were seen, and whether that fails now. */
    seenAt: Math.max(head.dataUpdatedAt, list.dataUpdatedAt),
    stale: head.isError,
  }
}
