import { useInfiniteQuery, type QueryKey } from '@tanstack/react-query'
import { useMemo } from 'react'

/** Slice is a page of a list as the API gives it: go on with `next` as cursor. */
export interface Slice<Row> {
  items?: Row[]
  next?: string
}

/** usePages loads a list page by page. Its result fits a DataTable; rows are those of all pages that are loaded. */
export function usePages<Row>(options: {
  key: QueryKey
  load: (cursor: string | undefined, signal: AbortSignal) => Promise<Slice<Row>>
  /** Milliseconds after which what is loaded is asked for again. */
  every?: number | false
  enabled?: boolean
}) {
  const query = useInfiniteQuery({
    queryKey: options.key,
    queryFn: ({ pageParam, signal }) => options.load(pageParam, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.next || undefined,
    refetchInterval: options.every ?? false,
    enabled: options.enabled ?? true,
  })
  const rows = useMemo(() => query.data?.pages.flatMap((page) => page.items ?? []) ?? [], [query.data])
  return {
    rows,
    loading: query.isPending,
    error: query.error,
    more: query.hasNextPage,
    loadingMore: query.isFetchingNextPage,
    onMore: () => void query.fetchNextPage(),
    onRetry: () => void query.refetch(),
    query,
  }
}
