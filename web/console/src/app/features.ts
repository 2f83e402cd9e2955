import { useQuery } from '@tanstack/react-query'
import { api, ask } from '@/api/client.ts'

/** useVersion returns what build the server is. */
export function useVersion() {
  return useQuery({
    queryKey: ['version'],
    queryFn: ({ signal }) => ask(api.GET('/api/v1/version', { signal })),
    staleTime: Infinity,
  })
}

/** usePlayground says whether the server plays participants, which it does with --dev alone. */
export function usePlayground(): boolean {
  const version = useVersion()
  return (version.data as { playground?: boolean } | undefined)?.playground === true
}
