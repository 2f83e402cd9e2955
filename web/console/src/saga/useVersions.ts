import { useQuery } from '@tanstack/react-query'
import { api, ask } from '@/api/client.ts'

/** useVersionNumbers are the newest 200 versions of a saga, newest first. */
export function useVersionNumbers(saga: string): number[] {
  const query = useQuery({
    queryKey: ['sagaVersions', saga, 'numbers'],
    queryFn: ({ signal }) =>
      ask(
        api.GET('/api/v1/sagas/definitions/{saga}/versions', {
          params: { path: { saga }, query: { limit: 200 } },
          signal,
        }),
      ),
  })
  return (query.data?.items ?? []).map((each) => each.version ?? 0)
}
